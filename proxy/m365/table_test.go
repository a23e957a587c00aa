package m365_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/m365"
)

func TestTableReachesMicrosoftOnly(t *testing.T) {
	t.Parallel()
	microsoft := m365.MicrosoftDomains()
	rented := slices.Concat(m365.RentedDomains(), m365.CertificateDomains())
	used := make(map[string]bool)
	for _, instance := range m365.Instances() {
		for _, e := range newPolicy(t, instance).Endpoints() {
			below := func(domain string) bool {
				_, after, wild := strings.Cut(e.Pattern(), "*")
				if wild && slices.Contains(rented, domain) {
					return false
				}
				// What the * stands for must be below the domain.
				found := wild && strings.HasSuffix(after, "."+domain) || !wild && covers(domain, e.Pattern())
				used[domain] = used[domain] || found
				return found
			}
			if !slices.ContainsFunc(slices.Concat(microsoft, rented), below) {
				t.Errorf("%s: %s (%s) is not a host of Microsoft", instance, e, e.Source())
			}
			if strings.Contains(e.Pattern(), "digicert.com") && e.Ports() != "80" {
				t.Errorf("%s: %s is a host for revocation data, which is on port 80 only", instance, e)
			}
		}
	}
	for _, domain := range slices.Concat(microsoft, rented) {
		if !used[domain] {
			t.Errorf("no endpoint is below %s", domain)
		}
	}
}

// forbidden are the wildcards that would reach anybody's hosts.
func forbidden(pattern string) bool {
	return slices.Contains([]string{
		"*.microsoft.com", "*.onmicrosoft.com", "*.live.com", "*.windows.net", "*.azure.com", "*.azure.net", "*.msecnd.net",
		"*.windows.com", "*.microsoft.us", "*.apps.mil",
	}, pattern)
}

func TestTableIsNotWider(t *testing.T) {
	t.Parallel()
	for _, instance := range m365.Instances() {
		for _, e := range newPolicy(t, instance).Endpoints() {
			if forbidden(e.Pattern()) {
				t.Errorf("%s: %s is too wide", instance, e)
			}
		}
	}
}

// TestTableFile finds misspelt members, which the loader would pass over, and
// rows that do not say where they come from.
func TestTableFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("m365.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Comment, Compiled string
		Instances         map[m365.Instance]struct {
			Source, Published, Note string
			Rows                    []struct {
				ID               int
				Area, Ports, Why string
				Hosts, IPs       []string
			}
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Instances) != len(m365.Instances()) || file.Compiled == "" {
		t.Errorf("%d instances, compiled %q", len(file.Instances), file.Compiled)
	}
	for name, instance := range file.Instances {
		if !strings.HasPrefix(instance.Source, "https://") || instance.Published+instance.Note == "" {
			t.Errorf("%s does not say where it comes from", name)
		}
		for _, r := range instance.Rows {
			if (r.ID == 0) != (r.Why != "") || r.Area == "" || len(r.Hosts) == 0 {
				t.Errorf("%s: row %+v must have either an id or a reason, an area and hosts", name, r)
			}
		}
	}
}
