package policy_test

import (
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/policy"
)

func TestParseEndpoint(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"mail.example.com:587":       "mail.example.com:587",
		" Mail.Example.COM.:587 ":    "mail.example.com:587",
		"mail.example.com:587-588":   "mail.example.com:587-588",
		"mail.example.com:587-587":   "mail.example.com:587",
		"printserver:25":             "printserver:25",
		"*.example.com:443":          "*.example.com:443",
		"*.EXAMPLE.com.:443":         "*.example.com:443",
		"*cdn.example.com:443":       "*cdn.example.com:443",
		"*-cdn.example.com:443":      "*-cdn.example.com:443",
		"a.*.example.com:443":        "a.*.example.com:443",
		"a.b.*.example.com:443":      "a.b.*.example.com:443",
		"*.bücher.example:443":       "*.xn--bcher-kva.example:443",
		"bücher.*.example.com:443":   "xn--bcher-kva.*.example.com:443",
		"bücher.example:443":         "xn--bcher-kva.example:443",
		"1.*.example.com:443":        "1.*.example.com:443",
		"*.example.com:50000-50059 ": "*.example.com:50000-50059",
	} {
		var e policy.Endpoint
		err := e.UnmarshalText([]byte(written))
		if err != nil || e.String() != want || e.Source() != "operator" {
			t.Errorf("endpoint %q = %v (%s), %v; want %s", written, e, e.Source(), err, want)
		}
	}
}

func TestParseEndpointRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want    string
		written []string
	}{
		{"TLSLIFT_CONNECT_TO", []string{
			"127.0.0.1:443", "10.1.2.3:25", "[::1]:443", "::1", "2001:db8::1", "10.1.2.3", "0x7f.1:443",
			"2130706433:443", "*.1.2:443", "*.0.0.1:443",
		}},
		{"at least two labels", []string{
			"*", "*:443", "*.:443", "*.com:443", "*.com.:443", "*com:443", "*x.com:443", "a.*.com:443", "a.*:443",
			"*x:443", "*。com:443", "*.com。:443",
		}},
		{"may only stand once", []string{
			"*.*.example.com:443", "**.example.com:443", "a*.example.com:443", "a.*b.example.com:443",
			"a*b.example.com:443", "a.*.*.example.com:443", "*a*.example.com:443",
		}},
		{"a port is missing", []string{"mail.example.com", "*.example.com"}},
		{"is not a port", []string{
			"a.example:", "a.example:0", "a.example:65536", "a.example:https", "a.example:587-", "a.example:-587",
			"a.example:588-587", "a.example:1-2-3", "a.example:0-65535", "a.example:443,,80", "a.example:*",
		}},
		{"the host name is empty", []string{"", " ", ":443"}},
		{"empty label", []string{"a..example:443", ".*.example.com:443", "*..example.com:443", "*.example.com..:443"}},
		{"other than letters", []string{
			"https://a.example:443", "a b.example:443", "user@a.example:443", "*.exam%ple.com:443",
		}},
		{"plain ASCII", []string{"*ü.example.com:443", "*a。b.example.com:443"}},
	} {
		for _, written := range c.written {
			var e policy.Endpoint
			err := e.UnmarshalText([]byte(written))
			if err == nil {
				t.Errorf("endpoint %q = %v, want an error", written, e)
			} else if !strings.Contains(err.Error(), c.want) {
				t.Errorf("endpoint %q: error is %q, want %q in it", written, err, c.want)
			}
		}
	}
}

// FuzzParseEndpoint holds every accepted endpoint to what is promised of it:
// it reads back as it is shown, and it cannot open the proxy to hosts that
// share less than two labels with it.
func FuzzParseEndpoint(f *testing.F) {
	for _, seed := range []string{
		"mail.example.com:587", "*.example.com:443-444", "*cdn.onenote.net:443", "autodiscover.*.onmicrosoft.com:80",
		"*", "*:443", "*.com:1", "*。com:1", "*-x.a.b:1", "*n--a.b.c:1", "[::1]:1", "a.*.b.c:1", "ü.*.ü.ü:1", "a:1,2",
		"*\u0301.a.b:1", "*.xn--a.b:1", " a.b:1-65535 ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		e, err := policy.ParseEndpoint(written)
		if err != nil {
			return
		}
		again, err := policy.ParseEndpoint(e.String())
		if err != nil || again.String() != e.String() {
			t.Fatalf("%q is %v, which reads back as %v, %v", written, e, again, err)
		}
		_, after, wild := strings.Cut(e.Pattern(), "*")
		if _, domain, _ := strings.Cut(after, "."); wild && !strings.Contains(domain, ".") {
			t.Fatalf("%q is %v, which is too wide", written, e)
		}
	})
}
