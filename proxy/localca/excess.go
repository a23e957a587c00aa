package localca

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
)

// Excess returns what the CA could sign for besides the servers that clients are lifted
// to, as one that was made by an older tlslift or by an operator may; empty for one that
// is limited as far as it can be. An operator's intermediate CA is limited by those above
// it too, as far as ca.pem has them.
func (ca *Public) Excess() []string {
	var all []string
	some := func(limits func(*x509.Certificate) bool) bool { return slices.ContainsFunc(ca.path, limits) }
	if !some(isForServersOnly) {
		all = append(all, "it can sign certificates of clients, of mail (S/MIME) and of programs")
	}
	if !some(func(c *x509.Certificate) bool { return len(c.PermittedDNSDomains) > 0 }) {
		all = append(all, "it can sign for every host name")
	}
	if hosts := ca.unneeded(); len(hosts) > 0 {
		all = append(all, "it can sign for hosts that no client is lifted to: "+someOf(hosts))
	}
	if !some(permitsNoAddress) {
		all = append(all, "it can sign for IP addresses")
	}
	return all
}

// someOf returns the first of a list, and how many more there are.
func someOf(hosts []string) string {
	shown := strings.Join(hosts[:min(len(hosts), maxShown)], ", ")
	if more := len(hosts) - maxShown; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return shown
}

// maxShown is how many domains are named.
const maxShown = 5

// unneeded returns the domains that the CA may sign for, and that a new one would not.
func (ca *Public) unneeded() []string {
	i := slices.IndexFunc(ca.path, func(c *x509.Certificate) bool { return len(c.PermittedDNSDomains) > 0 })
	if i < 0 || len(ca.needed) == 0 {
		return nil
	}
	var all []string
	for _, domain := range ca.path[i].PermittedDNSDomains {
		domain = strings.ToLower(strings.TrimPrefix(domain, "."))
		isNeeded := func(d string) bool { return within(domain, strings.ToLower(d)) }
		if ca.Covers("a."+domain) && !slices.ContainsFunc(ca.needed, isNeeded) {
			all = append(all, domain)
		}
	}
	return all
}

// isForServersOnly reports whether the extended key usage of a certificate has nothing
// but server authentication.
func isForServersOnly(c *x509.Certificate) bool {
	return len(c.UnknownExtKeyUsage) == 0 && slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth})
}

// permitsNoAddress reports whether the constraints of a certificate exclude all addresses
// of both families.
func permitsNoAddress(c *x509.Certificate) bool {
	var v4, v6 bool
	for _, excluded := range c.ExcludedIPRanges {
		ones, bits := excluded.Mask.Size()
		v4, v6 = v4 || ones == 0 && bits == 32, v6 || ones == 0 && bits == 128
	}
	return v4 && v6
}
