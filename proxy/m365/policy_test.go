package m365_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func newPolicy(t testing.TB, instance m365.Instance, extra ...string) *m365.Policy {
	t.Helper()
	p, err := m365.New(instance, testenv.Endpoints(t, extra...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// allowed is no reason to refuse.
const allowed record.Reason = ""

func TestCheckInstances(t *testing.T) {
	t.Parallel()
	// own are destinations of one instance that no other allows.
	own := map[m365.Instance][]string{
		m365.Worldwide: {
			"outlook.office365.com:443", "outlook.office365.com:993", "outlook.office365.com:143",
			"smtp.office365.com:587", "smtp.office365.com:25", "smtp.office365.com:80", "outlook.cloud.microsoft:443",
			"contoso-com.mail.protection.outlook.com:25", "contoso-com.v-v1.mx.microsoft:25",
			"smtp.hve.mx.microsoft:587", "smtp-hve.office365.com:587", "smtp-legacy.office365.com:587",
			"login.microsoftonline.com:443", "graph.microsoft.com:443", "contoso.sharepoint.com:443",
			"site-cdn.onenote.net:443", "evil-outlook.office365.com:443", "teams.microsoft.com:443",
			"crl3.digicert.com:80", "ocsp.digicert.com:80", "www.microsoft.com:80", "autodiscover-s.outlook.com:443",
		},
		m365.GCCHigh: {
			"outlook.office365.us:587", "outlook.office365.us:25", "outlook.office365.us:143",
			"graph.microsoft.us:443", "contoso.sharepoint.us:443", "scc.office365.us:25",
		},
		m365.DoD: {
			"outlook-dod.office365.us:587", "webmail.apps.mil:993", "webmail.apps.mil:443",
			"contoso.protection.apps.mil:25", "dod-graph.microsoft.us:443", "contoso.sharepoint-mil.us:443",
		},
		m365.China: {
			"partner.outlook.cn:443", "smtp.partner.outlook.cn:587", "contoso.protection.partner.outlook.cn:25",
			"login.partner.microsoftonline.cn:443", "microsoftgraph.chinacloudapi.cn:443", "contoso.sharepoint.cn:443",
		},
	}
	// shared is allowed by all instances but China.
	shared := []string{"autodiscover.contoso.onmicrosoft.com:443", "autodiscover.contoso.onmicrosoft.com:80"}
	for _, instance := range m365.Instances() {
		p := newPolicy(t, instance)
		for of, hosts := range own {
			for _, host := range hosts {
				if got := testenv.Verdict(t, p, host); (got == allowed) != (of == instance) {
					t.Errorf("%s: Check(%s) = %q, but the host is of %s", instance, host, got, of)
				}
			}
		}
		for _, host := range shared {
			if got := testenv.Verdict(t, p, host); (got == allowed) != (instance != m365.China) {
				t.Errorf("%s: Check(%s) = %q", instance, host, got)
			}
		}
	}
}

func TestCheckRefusesWorldwide(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, "")
	for _, c := range []struct {
		want  record.Reason
		hosts []string
	}{
		{record.ReasonPortNotAllowed, []string{
			"evilsmtp.office365.com:587", "smtp.office365.com:465", "outlook.office365.com:22",
			"contoso.mail.protection.outlook.com:587", "www.microsoft.com:443", "crl3.digicert.com:443",
			"smtp-hve.office365.com:25", "aka.ms:80",
		}},
		{record.ReasonDestinationNotAllowed, []string{
			"outlook.office365.com.evil.example:443", "office365.com:443", "notoffice365.com:443",
			"outlook.office365.co:443", "contoso.onmicrosoft.com:443", "autodiscover.a.b.onmicrosoft.com:443",
			"spoprod-a.akamaihd.net:443", "platform.linkedin.com:443", "www.bing.com:443", "c.bing.com:443",
			"c.live.com:443", "login.live.com:443", "storage.live.com:443", "anything.microsoft.com:443",
			"crl.identrust.com:80", "www.digicert.com:80", "evil.azureedge.net:443", "az1.vo.msecnd.net:443",
			"evil.example:443", "localhost:443", "169-254-169-254.example:80", "metadata.google.internal:80",
		}},
	} {
		for _, host := range c.hosts {
			if got := testenv.Verdict(t, p, host); got != c.want {
				t.Errorf("Check(%s) = %q, want %v", host, got, c.want)
			}
		}
	}
}

func TestCheckErrorText(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, m365.Worldwide, "smtp.office365.com:2525-2526",
		"smtp.office365.com:2526-2530", "smtp.office365.com:2527", "*.office365.com:443")
	for hostport, want := range map[string]string{
		"smtp.office365.com:465": `destination "smtp.office365.com:465" is not allowed: ` +
			`the host's allowed ports are 25,80,143,443,587,993,995,2525-2530`,
		"evil.example:443": `destination "evil.example:443" is not allowed: ` +
			`the host is not in the list of Microsoft 365 (worldwide) and was not added to it`,
	} {
		d, err := policy.ParseDestination(hostport)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Check(d.Host, d.Port)
		var refusal *policy.Error
		if !errors.As(err, &refusal) || refusal.Error() != want || refusal.Asked != hostport {
			t.Errorf("Check(%s): %v\nwant %s", hostport, err, want)
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	p := newPolicy(t, m365.Worldwide)
	for _, host := range []string{"smtp.office365.com", "contoso.sharepoint.com"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = p.Check(host, 443) }); n != 0 {
			t.Errorf("Check(%s) allocates %v times", host, n)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := m365.New("germany", nil); err == nil || !strings.Contains(err.Error(), "gcchigh") {
		t.Errorf("New(germany): %v, want an error that lists the instances", err)
	}
	if _, err := m365.New(m365.Worldwide, make([]policy.Endpoint, 1)); err == nil {
		t.Error("New accepts an empty endpoint")
	}
}

func TestInstanceUnmarshalText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]m365.Instance{
		"": m365.Worldwide, "worldwide": m365.Worldwide, "GCCHigh": m365.GCCHigh, "DoD": m365.DoD, "china": m365.China,
	} {
		var i m365.Instance
		if err := i.UnmarshalText([]byte(text)); err != nil || i != want {
			t.Errorf("UnmarshalText(%q) = %q, %v; want %q", text, i, err, want)
		}
	}
	i := m365.China
	err := i.UnmarshalText([]byte("moon"))
	if err == nil || !strings.Contains(err.Error(), "worldwide, gcchigh, dod, china") || i != m365.China {
		t.Errorf("UnmarshalText(moon) = %q, %v; want an error that lists the instances", i, err)
	}
}

func TestEndpointsAreTheCallers(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, m365.Worldwide, "mail.example.com:25")
	all := p.Endpoints()
	last, first := all[len(all)-1], all[0]
	if last.String() != "mail.example.com:25" || last.Source() != "operator" {
		t.Errorf("the last endpoint is %v of %q", last, last.Source())
	}
	if first.Pattern() != "outlook.cloud.microsoft" || first.Ports() != "80,443" || first.Source() != "row 1, Exchange" {
		t.Errorf("the first endpoint is %v of %q", first, first.Source())
	}
	all[0] = policy.Endpoint{}
	if p.Endpoints()[0].Pattern() != first.Pattern() {
		t.Error("a change of the returned endpoints changes the policy")
	}
}

func BenchmarkCheck(b *testing.B) {
	p := newPolicy(b, m365.Worldwide)
	for _, c := range []struct{ name, host string }{
		{"exact", "outlook.office365.com"},
		{"wildcard", "contoso.sharepoint.com"},
		{"upper case", "OUTLOOK.office365.com."},
		{"refused", "a.b.c.d.e.evil.example"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = p.Check(c.host, 443)
			}
		})
	}
}
