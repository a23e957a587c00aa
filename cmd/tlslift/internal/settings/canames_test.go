package settings

import (
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/m365"
)

// A CA signs for no host that has port 80 only, and one for mail is small enough for
// small devices: a CA of 99 names and 4.2 KB was too much for some.
func TestCADomains(t *testing.T) {
	t.Parallel()
	domains := func(names string) []string {
		cfg := mustLoad(t, map[string]string{
			"TLSLIFT_CA_NAMES":     names,
			"TLSLIFT_DESTINATIONS": "crl.example.com:80,both.example.com:80,both.example.com:8443,relay.example.com:587",
		})
		allowed, err := m365.New(cfg.Instance, cfg.Destinations)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.CADomains(allowed.Policy)
	}
	all, mail := domains("all"), domains("Mail")
	for _, tt := range []struct {
		host      string
		all, mail bool
	}{
		{"crl.example.com", false, false},
		{"both.example.com", true, false},
		{"relay.example.com", true, true},
		{"outlook.office365.com", true, true},
		{"smtp.office365.com", true, true},
		{"login.microsoftonline.com", true, false},
		{"crl3.digicert.com", false, false},
		{"ocsp.msocsp.com", false, false},
	} {
		in := func(domains []string) bool {
			return slices.ContainsFunc(domains, func(d string) bool { return tt.host == d || strings.HasSuffix(tt.host, "."+d) })
		}
		if in(all) != tt.all || in(mail) != tt.mail {
			t.Errorf("%s: all %v, mail %v", tt.host, in(all), in(mail))
		}
	}
	if len(mail) > 20 || len(mail) >= len(all)/3 {
		t.Errorf("a CA for mail has %d names of %d", len(mail), len(all))
	}
	t.Logf("%d names, for mail %d: %v", len(all), len(mail), mail)
}
