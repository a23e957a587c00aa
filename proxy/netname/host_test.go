package netname

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestHost(t *testing.T) {
	t.Parallel()
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for written, want := range map[string]string{
		"outlook.office365.com":   "outlook.office365.com",
		"Outlook.OFFICE365.com":   "outlook.office365.com",
		"outlook.office365.com.":  "outlook.office365.com",
		"printserver":             "printserver",
		"scan_to.mail.example":    "scan_to.mail.example",
		"_a-b.example":            "_a-b.example",
		"bücher.example":          "xn--bcher-kva.example",
		"BÜCHER.example.":         "xn--bcher-kva.example",
		"XN--BCHER-KVA.Example":   "xn--bcher-kva.example",
		"bücher.xn--bcher-kva.de": "xn--bcher-kva.xn--bcher-kva.de",
		"faß.example":             "xn--fa-hia.example",
		"smtp。office365。com":      "smtp.office365.com",
		"ｏutlook.office365.com":   "outlook.office365.com",
		"127.0.0.1.example":       "127.0.0.1.example",
		"0x7f.example":            "0x7f.example",
		"a.0xyz":                  "a.0xyz",
		label63:                   label63,
		label63 + ".example":      label63 + ".example",
		name253 + ".":             name253,
	} {
		got, err := Host(written)
		if err != nil || got != want || !IsHost(got) {
			t.Errorf("Host(%q) = %q, %v; want %s", written, got, err, want)
		}
	}
}

func TestHostRefuses(t *testing.T) {
	t.Parallel()
	label64 := strings.Repeat("a", 64)
	for want, all := range map[error][]string{
		ErrAddress: {
			"127.0.0.1", "127.0.0.1.", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0X7F.0.0.0X1", "0177.0.0.1",
			"1.2.3.4.5", "256.256.256.256", "0x", "a.b.1", "::1", "[::1]", "::ffff:127.0.0.1", "fe80::1%eth0", "2001:db8::1",
			"１２７.0.0.1", "127。0。0。1",
		},
		errEmpty:     {""},
		errNoLabel:   {".", "..", "a..example", ".example", "a.example..", "。", "xn--.example"},
		errLongLabel: {label64, label64 + ".example", "a." + label64, strings.Repeat("ü", 60) + ".example"},
		errLong: {
			strings.Repeat(label64[1:]+".", 3) + strings.Repeat("b", 62), strings.Repeat("a.", 1<<16) + "example",
			"a" + strings.Repeat("\u00ad", 1<<16) + ".example", // soft hyphens, which IDNA maps to nothing
		},
		errHyphen: {"-a.example", "a-.example", "a.-", "-"},
		errCharacter: {
			"a:b", "a/x", "a@b", "a%2eb", "a\x00", "a\x00.example", "out look", " a", "a ", "a\r\n", "a\r\nHost: x",
			"*.example", "a,b", "[a]", "[::1", "$(reboot)", "a\"b", "a;b",
		},
		errIDNA: {
			"xn--a.example", "xn--bcher-kvb\xff.example", "\xff.example",
		},
	} {
		for _, s := range all {
			if got, err := Host(s); !errors.Is(err, want) || got != "" {
				t.Errorf("Host(%.80q) = %q, %v; want %v", s, got, err, want)
			}
			if want != errIDNA && IsHost(s) {
				t.Errorf("%.80q is a host", s)
			}
		}
	}
}

func TestIsHost(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"mail.example", "a_b", "xn--a.example", strings.Repeat("a", 63)} {
		if !IsHost(s) {
			t.Errorf("%s is no host", s)
		}
	}
	for _, s := range []string{"", "Mail.example", "mail.example.", "bücher.example", "10.0.0.1", "xn--\xff.example", "*.example"} {
		if IsHost(s) {
			t.Errorf("%q is a host", s)
		}
	}
}

func TestHostDoesNotAllocate(t *testing.T) {
	for _, s := range []string{"outlook.office365.com", "outlook.office365.com.", "127.0.0.1", "a..b", "a/b"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = Host(s); _ = IsHost(s) }); n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, seed := range []string{
		"outlook.office365.com", "Outlook.Office365.com.", "bücher.example", "xn--bcher-kva.example", "127.0.0.1", "0x7f.1",
		"[::1]", "fe80::1%25eth0", "a@b", "١٢٧.0.0.1", "a。", "xn--", "a\u200d.example", "faß.de", "a_b-c.d", "ａ．1", "..",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, err := Host(s)
		if err != nil {
			if IsHost(s) && !strings.Contains(s, "xn--") {
				t.Fatalf("%q is a host, but Host says: %v", s, err)
			}
			return
		}
		if _, err := netip.ParseAddr(host); err == nil {
			t.Fatalf("%q gives the address %s", s, host)
		}
		if !IsHost(host) || len(host) > 253 || host != strings.ToLower(host) || strings.HasSuffix(host, ".") {
			t.Fatalf("%q gives %q, which is not in normal form", s, host)
		}
		if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q gives %q, which would break a CONNECT request", s, host)
		}
		for _, again := range []string{host, host + ".", strings.ToUpper(host)} {
			if twice, err := Host(again); err != nil || twice != host {
				t.Fatalf("%q gives %s, but %q gives %q, %v", s, host, again, twice, err)
			}
		}
	})
}
