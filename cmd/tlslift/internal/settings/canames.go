package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
)

// caNames are the hosts that a new CA may sign for.
type caNames string

const (
	caNamesAll  caNames = "all"
	caNamesMail caNames = "mail"
)

func (n *caNames) UnmarshalText(text []byte) error {
	named := caNames(strings.ToLower(string(text)))
	if named != caNamesAll && named != caNamesMail {
		return fmt.Errorf("%q is neither all nor mail", text)
	}
	*n = named
	return nil
}

// CADomains returns the domains that a CA has to sign for: of all endpoints that clients
// may reach through TLS, or of those of mail. Port 80 has no TLS.
func (c *Config) CADomains(allowed *policy.Policy) []string {
	return allowed.DomainsOf(func(e policy.Endpoint) bool {
		if c.CANames == caNamesMail {
			return slices.ContainsFunc(listener.MailPorts(), e.HasPort)
		}
		return e.Ports() != "80"
	})
}
