package localca

import (
	"crypto/x509"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
)

// maxNames bounds the names of a leaf: a device with little memory has to
// read them all.
const maxNames = 100

// Covers reports whether the CA may sign for name, which may begin with "*.".
// It may not for a destination that was added after the CA was made. Leaf
// makes a leaf even so, because many old clients do not look at constraints,
// but the others will reject it.
func (ca *Public) Covers(name string) bool {
	name = strings.ToLower(name)
	return !slices.ContainsFunc(ca.path, func(c *x509.Certificate) bool { return !permits(c, name) })
}

// permits applies the name constraints of one certificate (RFC 5280 section
// 4.2.1.10) to a name in lower case.
func permits(cert *x509.Certificate, name string) bool {
	permitted := func(d string) bool { return within(name, strings.ToLower(d)) }
	excluded := func(d string) bool {
		d = strings.ToLower(d)
		return within(name, d) || wildcardMatches(name, strings.TrimPrefix(d, "."))
	}
	if len(cert.PermittedDNSDomains) > 0 && !slices.ContainsFunc(cert.PermittedDNSDomains, permitted) {
		return false
	}
	return !slices.ContainsFunc(cert.ExcludedDNSDomains, excluded)
}

// within reports whether name is domain or below it. A domain with a leading
// dot does not include itself; RFC 5280 has this form for URIs only, but
// verifiers know it for DNS names too.
func within(name, domain string) bool {
	if domain == "" || strings.HasPrefix(domain, ".") {
		return strings.HasSuffix(name, domain)
	}
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// wildcardMatches reports whether pattern is a wildcard that stands for host.
func wildcardMatches(pattern, host string) bool {
	parent, wild := strings.CutPrefix(pattern, "*")
	_, below, _ := strings.Cut(host, ".")
	return wild && parent == "."+below
}

// namesFor returns the SANs of a leaf: name, then those of sans that the
// CA may sign for. One name outside the constraints would make clients that
// check them reject the whole leaf.
func (ca *Public) namesFor(name string, sans []string) []string {
	names, seen := []string{name}, map[string]bool{name: true}
	for _, san := range sans {
		san = strings.ToLower(san)
		if len(names) == maxNames {
			break
		}
		if !seen[san] && netname.IsHost(strings.TrimPrefix(san, "*.")) && ca.Covers(san) {
			seen[san] = true
			names = append(names, san)
		}
	}
	return names
}
