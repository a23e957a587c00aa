package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestParseDestination(t *testing.T) {
	t.Parallel()
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for asked, want := range map[string]string{
		"outlook.office365.com:443":   "outlook.office365.com:443",
		"Outlook.OFFICE365.com:443":   "outlook.office365.com:443",
		"outlook.office365.com.:443":  "outlook.office365.com:443",
		"OUTLOOK.office365.com.:1":    "outlook.office365.com:1",
		"printserver:65535":           "printserver:65535",
		"scan_to.mail.example:25":     "scan_to.mail.example:25",
		"bücher.example:443":          "xn--bcher-kva.example:443",
		"BÜCHER.example.:443":         "xn--bcher-kva.example:443",
		"xn--bcher-kva.example:443":   "xn--bcher-kva.example:443",
		"XN--BCHER-KVA.Example:443":   "xn--bcher-kva.example:443",
		"bücher.xn--bcher-kva.de:443": "xn--bcher-kva.xn--bcher-kva.de:443",
		"faß.example:443":             "xn--fa-hia.example:443",
		"smtp。office365。com:587":      "smtp.office365.com:587",
		"ｏutlook.office365.com:443":   "outlook.office365.com:443",
		"127.0.0.1.example:443":       "127.0.0.1.example:443",
		"0x7f.example:443":            "0x7f.example:443",
		"a.0xyz:443":                  "a.0xyz:443",
		label63 + ".example:443":      label63 + ".example:443",
		name253 + ".:443":             name253 + ":443",
	} {
		d, err := policy.ParseDestination(asked)
		if err != nil || d.String() != want {
			t.Errorf("ParseDestination(%q) = %v, %v; want %s", asked, d, err, want)
		}
	}
}

func TestParseDestinationRefuses(t *testing.T) {
	t.Parallel()
	label63 := strings.Repeat("a", 63)
	for _, c := range []struct {
		want  record.Reason
		asked []string
	}{
		{record.ReasonDestinationIsAddress, []string{
			"127.0.0.1:443", "127.0.0.1.:443", "127.1:443", "2130706433:443", "0x7f000001:443", "0x7f.1:443",
			"0X7F.0.0.0X1:443", "0177.0.0.1:443", "1.2.3.4.5:443", "256.256.256.256:443", "0x:443", "a.b.1:443",
			"[::1]:443", "[::ffff:127.0.0.1]:443", "[fe80::1%eth0]:443", "[2001:db8::1]:443", "::1", "[::1]",
			"2001:db8::1", "127.0.0.1", "１２７.0.0.1:443", "127。0。0。1:443",
		}},
		{record.ReasonDestinationInvalid, []string{
			"", ":", ":443", ".:443", "..:443", "outlook.office365.com", "outlook.office365.com:",
			"outlook.office365.com..:443", ".office365.com:443", "outlook..office365.com:443", "。:443",
			"a:b:443", "outlook.office365.com:443:443", "[outlook.office365.com]:443", "[]:443", "[::1:443",
			"https://outlook.office365.com:443", "outlook.office365.com:443/", "outlook.office365.com/x:443",
			"a@outlook.office365.com:443", "outlook.office365.com@evil.example:443", "a%2eb.example:443",
			"outlook.office365.com\x00.evil.example:443", "outlook.office365.com\x00:443", "out look.example:443",
			" outlook.office365.com:443", "outlook.office365.com :443", "outlook.office365.com\r\n:443",
			"-a.example:443", "a-.example:443", "*.office365.com:443", "a,b.example:443",
			label63 + "a.example:443", strings.Repeat(label63+".", 3) + strings.Repeat("b", 62) + ":443",
			strings.Repeat("ü", 60) + ".example:443", strings.Repeat("a.", 1<<16) + "example:443",
			"a" + strings.Repeat("\u00ad", 1<<16) + ".example:443", // soft hyphens, which IDNA maps to nothing
			"xn--a.example:443", "xn--.example:443", "xn--bcher-kvb\xff.example:443", "\xff.example:443",
			"a.example:0", "a.example:65536", "a.example:+443", "a.example:-1", "a.example:0443", "a.example:https",
			"a.example: 443", "a.example:443 ", "a.example:4_4", "a.example:0x1bb", "a.example:４４３",
			"a.example:99999999999999999999",
		}},
	} {
		for _, asked := range c.asked {
			d, err := policy.ParseDestination(asked)
			if err == nil {
				t.Errorf("ParseDestination(%.80q) = %v, want an error", asked, d)
				continue
			}
			if kind := testenv.ReasonOf(t, err); kind != c.want || d != (policy.Destination{}) {
				t.Errorf("ParseDestination(%.80q) = %v, %q (%v); want %q", asked, d, kind, err, c.want)
			}
		}
	}
}

func TestErrorTextIsSafe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ asked, want, not string }{
		{"user:hunter2@mail.example:443", "@mail.example:443", "hunter2"},
		{"a\nb\x1b[31m.example:443", `a\nb\x1b[31m`, "\x1b"},
		{strings.Repeat("long", 1000) + ".example:443", "longlong", strings.Repeat("long", 100)},
		{"mail.example", "must be host:port", ""},
		{"mail.example:0", "from 1 to 65535", ""},
		{"[::1]:443", "is an IP address", ""},
	} {
		_, err := policy.ParseDestination(c.asked)
		if err == nil {
			t.Errorf("ParseDestination(%.80q) is allowed, want an error", c.asked)
			continue
		}
		if text := err.Error(); !strings.Contains(text, c.want) || c.not != "" && strings.Contains(text, c.not) {
			t.Errorf("error of %.80q is %q; want %q in it and not %.80q", c.asked, text, c.want, c.not)
		}
	}
}

func FuzzParseDestination(f *testing.F) {
	for _, seed := range []string{
		"outlook.office365.com:443", "Outlook.Office365.com.:0443", "bücher.example:25", "xn--bcher-kva.example:25",
		"127.0.0.1:80", "0x7f.1:80", "[::1]:443", "[fe80::1%25eth0]:443", "a@b:1", "١٢٧.0.0.1:1", "a。:1", "xn--:1",
		"a\u200d.example:1", "faß.de:1", "a_b-c.d:65535", "ａ．1:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		d, err := policy.ParseDestination(asked)
		if err != nil {
			testenv.ReasonOf(t, err)
			if len(err.Error()) > 4*1024 {
				t.Fatalf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		if _, err := netip.ParseAddr(d.Host); err == nil {
			t.Fatalf("%q gives the address %s", asked, d.Host)
		}
		if d.Port == 0 || len(d.Host) > 253 || d.Host != strings.ToLower(d.Host) || strings.HasSuffix(d.Host, ".") {
			t.Fatalf("%q gives %v, which is not in normal form", asked, d)
		}
		for _, again := range []string{d.String(), strings.ToUpper(d.Host) + ".:" + d.String()[len(d.Host)+1:]} {
			if twice, err := policy.ParseDestination(again); err != nil || twice != d {
				t.Fatalf("%q gives %v, but %q gives %v, %v", asked, d, again, twice, err)
			}
		}
	})
}
