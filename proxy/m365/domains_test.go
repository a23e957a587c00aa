package m365_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/m365"
)

// covers is the rule of RFC 5280 section 4.2.1.10 for DNS names.
func covers(domain, host string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// sample returns a host that pattern matches.
func sample(pattern string) string { return strings.Replace(pattern, "*", "x", 1) }

func TestDomains(t *testing.T) {
	t.Parallel()
	for _, instance := range m365.Instances() {
		p := newPolicy(t, instance)
		domains := p.Domains()
		if !slices.IsSorted(domains) {
			t.Errorf("%s: domains are not sorted: %v", instance, domains)
		}
		needed := make(map[string]bool)
		for _, e := range p.Endpoints() {
			var by []string
			for _, d := range domains {
				if covers(d, sample(e.Pattern())) {
					by = append(by, d)
				}
			}
			// One that is covered twice would mean that the list is not the
			// smallest.
			if len(by) != 1 {
				t.Errorf("%s: %s is covered by %v, want one domain", instance, e, by)
				continue
			}
			needed[by[0]] = true
		}
		for _, d := range domains {
			if !needed[d] {
				t.Errorf("%s: domain %s covers no endpoint", instance, d)
			}
		}
	}
}
