package policy_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func newPolicy(t testing.TB, allowed ...string) *policy.Policy {
	t.Helper()
	p, err := policy.New("the list of the test", testenv.Endpoints(t, allowed...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// allowed is no reason to refuse.
const allowed record.Reason = ""

func TestCheckPatterns(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, "exact.test.example:443", "*.wild.example:443-445", "*cdn.glob.example:443",
		"auto.*.mid.example:443", "a.b.*.mid.example:25", "both.wild.example:25", "bücher.example:443", "host:25")
	for _, c := range []struct {
		want  record.Reason
		hosts []string
	}{
		{allowed, []string{
			"exact.test.example:443", "Exact.Test.Example.:443", "a.wild.example:443", "a.b.c.wild.example:445",
			"cdn.glob.example:443", "site-cdn.glob.example:443", "xcdn.glob.example:443", "auto.x.mid.example:443",
			"a.b.x.mid.example:25", "both.wild.example:25", "both.wild.example:444", "bücher.example:443",
			"xn--bcher-kva.example:443", "host:25",
		}},
		{record.ReasonPortNotAllowed, []string{
			"exact.test.example:80", "a.wild.example:442", "a.wild.example:446", "auto.x.mid.example:25",
			"both.wild.example:26", "cdn.glob.example:80",
		}},
		{record.ReasonDestinationNotAllowed, []string{
			"test.example:443", "a.exact.test.example:443", "xexact.test.example:443", "exact.test.example.org:443",
			"wild.example:443", "xwild.example:443", "a.wild.example.evil.example:443", "cdn.a.glob.example:443",
			"a.cdn.glob.example:443", "cdnx.glob.example:443", "glob.example:443", "cdn.glob.example.org:443",
			"xcdnglob.example:443", "auto.mid.example:443", "auto.x.y.mid.example:443", "x.auto.y.mid.example:443",
			"autox.y.mid.example:443", "autoxy.mid.example:443", "mid.example:443", "b.x.mid.example:25", "a.x.b.mid.example:25",
			"bucher.example:443", "host.example:25", "example:443", "localhost:443",
		}},
	} {
		for _, host := range c.hosts {
			if got := testenv.Verdict(t, p, host); got != c.want {
				t.Errorf("Check(%s) = %q, want %v", host, got, c.want)
			}
		}
	}
}

// TestCheckNormalises covers hosts that do not come through ParseDestination,
// such as a server name in a ClientHello.
func TestCheckNormalises(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, "smtp.office365.com:587")
	want := policy.Destination{Host: "smtp.office365.com", Port: 587}
	for _, host := range []string{"smtp.office365.com", "SMTP.Office365.com.", "smtp。office365。com"} {
		if d, err := p.Check(host, 587); err != nil || d != want {
			t.Errorf("Check(%q) = %v, %v; want %v", host, d, err, want)
		}
	}
	for host, want := range map[string]record.Reason{
		"": record.ReasonDestinationInvalid, ".": record.ReasonDestinationInvalid, "a b": record.ReasonDestinationInvalid,
		"smtp.office365.com\x00": record.ReasonDestinationInvalid,
		"127.0.0.1":              record.ReasonDestinationIsAddress, "::1": record.ReasonDestinationIsAddress,
		"[::1]": record.ReasonDestinationIsAddress, "::ffff:1.2.3.4": record.ReasonDestinationIsAddress,
		"0x7f.1": record.ReasonDestinationIsAddress, "smtp.office365.com:587": record.ReasonDestinationInvalid,
	} {
		d, err := p.Check(host, 587)
		if err == nil || testenv.ReasonOf(t, err) != want || d != (policy.Destination{}) {
			t.Errorf("Check(%q) = %v, %v; want %q", host, d, err, want)
		}
	}
	if _, err := p.Check("smtp.office365.com", 0); err == nil || testenv.ReasonOf(t, err) != record.ReasonDestinationInvalid {
		t.Errorf("Check with port 0: %v, want destination_invalid", err)
	}
}

func TestCheckErrorText(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, "host.example:2525-2526", "host.example:2526-2530", "host.example:25", "*.b.example:443")
	for _, c := range []struct {
		host string
		port uint16
		want string
	}{
		{"host.example", 465, `destination "host.example:465" is not allowed: the host's allowed ports are 25,2525-2530`},
		{"evil.test", 443, `destination "evil.test:443" is not allowed: the host is not in the list of the test and was not added to it`},
	} {
		_, err := p.Check(c.host, c.port)
		var refusal *policy.Error
		if !errors.As(err, &refusal) || refusal.Error() != c.want {
			t.Errorf("Check(%s, %d): %v\nwant %s", c.host, c.port, err, c.want)
		}
	}
}

func TestNewRefusesAnEmptyEndpoint(t *testing.T) {
	t.Parallel()
	if _, err := policy.New("", make([]policy.Endpoint, 1)); err == nil {
		t.Error("an empty endpoint is accepted")
	}
}

func TestPortsAll(t *testing.T) {
	t.Parallel()
	ports, err := policy.ParsePorts("587-588, 443,65534-65535")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Collect(ports.All()), []uint16{443, 587, 588, 65534, 65535}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDomainsOfForms(t *testing.T) {
	t.Parallel()
	with := newPolicy(t, "exact.test.example:1", "*.wild.example:1", "a.wild.example:1",
		"*cdn.glob.example:1", "auto.*.mid.example:1", "deep.auto.x.mid.example:1", "wildx.example:1", "com.example:1",
		"notglob.example:1").Domains()
	want := []string{
		"com.example", "exact.test.example", "glob.example", "mid.example", "notglob.example", "wild.example", "wildx.example",
	}
	if !slices.Equal(with, want) {
		t.Errorf("domains %v\nwant    %v", with, want)
	}
}
