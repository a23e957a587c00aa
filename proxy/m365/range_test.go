package m365_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestNameAt(t *testing.T) {
	t.Parallel()
	for instance, addresses := range map[m365.Instance]map[string]string{
		m365.Worldwide: {
			"52.96.1.2:587":               "smtp.office365.com:587",
			"52.96.1.2:993":               "outlook.office365.com:993",
			"52.96.1.2:143":               "outlook.office365.com:143",
			"52.96.1.2:995":               "outlook.office365.com:995",
			"52.96.1.2:443":               "outlook.office365.com:443",
			"[2603:1026::1]:587":          "smtp.office365.com:587",
			"[::ffff:52.96.1.2]:587":      "smtp.office365.com:587",
			"20.190.128.1:443":            "login.microsoftonline.com:443",
			"40.92.0.1:25":                "", // each tenant has its name
			"13.107.136.1:443":            "", // SharePoint: so there
			"52.96.1.2:25":                "", // not a port of the row
			"52.96.1.2:8443":              "",
			"203.0.113.1:587":             "",
			"127.0.0.1:587":               "",
			"[2001:db8::1]:443":           "",
			"[::ffff:203.0.113.1]:587":    "",
			"[fe80::1%eth0]:587":          "",
			"[2603:1026::1%eth0]:443":     "outlook.office365.com:443",
			"[2603:1056:fff:ffff::1]:993": "outlook.office365.com:993",
		},
		m365.GCCHigh: {"40.66.16.130:587": "outlook.office365.us:587", "40.66.16.130:443": "outlook.office365.us:443"},
		m365.DoD:     {"40.66.24.1:587": "outlook-dod.office365.us:587", "40.66.24.1:443": "outlook-dod.office365.us:443"},
		m365.China:   {"42.159.40.1:587": "partner.outlook.cn:587", "42.159.40.1:443": "partner.outlook.cn:443"},
	} {
		p := newPolicy(t, instance)
		for addr, want := range addresses {
			d, ok := p.NameAt(netip.MustParseAddrPort(addr))
			if got := d.String(); ok != (want != "") || ok && got != want {
				t.Errorf("%s: NameAt(%s) = %s, %v; want %q", instance, addr, got, ok, want)
			}
			if ok && testenv.Verdict(t, p, want) != allowed {
				t.Errorf("%s: %s is not allowed", instance, want)
			}
		}
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	for _, instance := range m365.Instances() {
		ranges := newPolicy(t, instance).Ranges()
		for _, port := range []uint16{25, 587, 443, 993} {
			if !slices.ContainsFunc(ranges, func(r m365.Range) bool { return r.HasPort(port) && len(r.Prefixes) > 1 }) {
				t.Errorf("%s: no range has port %d", instance, port)
			}
		}
		for _, r := range ranges {
			for _, p := range r.Prefixes {
				if p != p.Masked() || p.Addr().Is4In6() || p.Bits() < 13 || p.Addr().IsPrivate() || p.Addr().IsLoopback() {
					t.Errorf("%s: %s has %s", instance, r.Source, p)
				}
			}
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, m365.Worldwide, "mail.example.com:587", "*.example.com:587", "outlook.office365.com:587")
	names := p.Names(587)
	want := []string{"smtp.office365.com", "outlook.office365.com", "mail.example.com", "smtp.hve.mx.microsoft", "smtp-hve.office365.com",
		"smtp-legacy.office365.com"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if names := p.Names(443); names[0] != "outlook.office365.com" || names[1] != "login.microsoftonline.com" || len(names) < 20 {
		t.Errorf("got %v", names)
	}
	if names := p.Names(4711); len(names) != 0 {
		t.Errorf("got %v", names)
	}
}
