package deviceca

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/netname"
)

// Bounds of what a certificate names: a device with little memory has to read it.
const (
	maxNames = 20
	maxLabel = 64 // the upper bound of a common name (RFC 5280 appendix A.1)
)

// microsofts are domains of Microsoft that its list of endpoints does not have, or not as a
// whole, and the one of its top-level domains that it uses: a copier may well be called office.
var microsofts = []string{
	"azure.com", "azurewebsites.net", "bing.com", "cloudapp.net", "hotmail.com", "live.com", "microsoft", "microsoft.com", "msn.com",
	"visualstudio.com", "windows.com", "windows.net", "xbox.com",
}

// excluded returns the domains that the device CA may never sign for: those of the allowed
// destinations, and whole domains of Microsoft, for all clouds.
func (h *Home) excluded() ([]string, error) {
	all := slices.Clone(microsofts)
	for _, instance := range m365.Instances() {
		listed, err := m365.New(instance, nil)
		if err != nil {
			return nil, err
		}
		for _, domain := range listed.Domains() {
			all = append(all, lastTwo(domain))
		}
	}
	all = append(all, h.allowed.Domains()...)
	slices.SortFunc(all, func(a, b string) int {
		if n := strings.Count(a, ".") - strings.Count(b, "."); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	var least []string // without those below another one
	for _, domain := range all {
		if !slices.ContainsFunc(least, func(above string) bool { return isWithin(domain, above) }) {
			least = append(least, domain)
		}
	}
	return least, nil
}

// lastTwo returns the domain that somebody has registered: Microsoft has none of its list
// below a registry with two labels.
func lastTwo(domain string) string {
	labels := strings.Split(domain, ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}

// isWithin reports whether a name is a domain or below it.
func isWithin(name, domain string) bool { return name == domain || strings.HasSuffix(name, "."+domain) }

var (
	deviceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._@-]*$`)
	serialForm = regexp.MustCompile(`^[0-9A-Fa-f]{32}$`)
)

// checkName refuses a name of a device that somebody could take for something else.
func checkName(name string) error {
	switch {
	case len(name) > maxLabel:
		return fmt.Errorf("the name of the device has %d characters; it may have %d", len(name), maxLabel)
	case !deviceName.MatchString(name) || strings.TrimSpace(name) != name:
		return fmt.Errorf("%q is no name for a device: use letters, digits, spaces and . _ @ -, and begin with a letter or a digit",
			netname.Text(name, maxLabel))
	case serialForm.MatchString(name):
		return fmt.Errorf("%q looks like a serial number; give the device another name", name)
	}
	return nil
}

// hostOf returns a host name of a device in its one form.
func hostOf(text string) (string, error) {
	shown := netname.Text(text, 100)
	if strings.Contains(text, "*") {
		return "", fmt.Errorf("--dns: %q is a wildcard, and a device has a name of its own; give that", shown)
	}
	host, err := netname.Host(text)
	switch {
	case errors.Is(err, netname.ErrAddress):
		return "", fmt.Errorf("--dns: %q is an address; give it with --ip", shown)
	case err != nil:
		return "", fmt.Errorf("--dns: %q: %w", shown, err)
	case isLoopback(host):
		return "", fmt.Errorf("--dns: %q is each machine itself; give the name under which others reach the device", shown)
	}
	return host, nil
}

func isLoopback(host string) bool {
	return isWithin(host, "localhost") || isWithin(host, "localdomain")
}

// addressOf returns the address of a device: a private one, as the CA may sign for no other.
func addressOf(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return addr, fmt.Errorf("--ip: %q is no address", netname.Text(text, 100))
	}
	if addr = addr.Unmap(); !addr.IsPrivate() {
		return addr, fmt.Errorf("--ip: %s is not a private address (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7); give the device a "+
			"name, and that with --dns", addr)
	}
	return addr, nil
}

// checkHost returns why the device CA must not sign for a host name. What was allowed after
// the CA was made is not in its certificate.
func (h *Home) checkHost(host string, ca *localca.Public) error {
	isBelow := func(domain string) bool { return isWithin(host, domain) }
	switch i := slices.IndexFunc(h.options.Excluded, isBelow); {
	case i >= 0 && slices.ContainsFunc(h.allowed.Domains(), isBelow):
		return fmt.Errorf("%s is an allowed destination, or below the domain of one (%s): who has its certificate could deceive clients; "+
			"use a name of your own network", host, h.options.Excluded[i])
	case i >= 0:
		return fmt.Errorf("%s is a name of Microsoft (%s): who has its certificate could deceive clients; use a name of your own network",
			host, h.options.Excluded[i])
	case ca != nil && !ca.Covers(host):
		return fmt.Errorf("the device CA may not sign for %s: it is limited to %s; use a name below that, or make another device CA with "+
			"other --domain (see ca.md)", host, strings.Join(ca.Certificate().PermittedDNSDomains, ", "))
	}
	return nil
}

// checkDomain returns why the device CA cannot be limited to a domain.
func (h *Home) checkDomain(text string) (string, error) {
	domain, err := netname.Host(text)
	if err != nil {
		return "", fmt.Errorf("--domain: %q: %w", netname.Text(text, 100), err)
	}
	if err := h.checkHost(domain, nil); err != nil {
		return "", fmt.Errorf("--domain: %w", err)
	}
	return domain, nil
}
