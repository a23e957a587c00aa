package policy

import (
	"fmt"

	"github.com/tlslift/tlslift/proxy/netname"
)

// A Kind says why a destination is not allowed. The set is closed.
type Kind int

// The kinds.
const (
	Invalid        Kind = iota // not a host name with a port
	IsAddress                  // an IP address in any notation
	HostNotAllowed             // no pattern matches the host
	PortNotAllowed             // a pattern matches the host, on other ports
)

// An Error is the refusal of a destination.
type Error struct {
	Kind Kind
	// Asked is the destination as the client gave it, shortened, and without
	// what stood before an @, which may be a password.
	Asked string
	// Detail says what is wrong with an invalid destination, or which ports
	// of the host are allowed.
	Detail string
}

// Error says what was asked for and why it was refused.
func (e *Error) Error() string {
	switch e.Kind {
	case IsAddress:
		return fmt.Sprintf("destination %q is an IP address: destinations are allowed by host name", e.Asked)
	case HostNotAllowed:
		return fmt.Sprintf("destination %q is not allowed: %s", e.Asked, e.Detail)
	case PortNotAllowed:
		return fmt.Sprintf("destination %q is not allowed: the host's allowed ports are %s", e.Asked, e.Detail)
	default:
		return fmt.Sprintf("destination %q is not valid: %s", e.Asked, e.Detail)
	}
}

// maxAsked is enough to show the longest DNS name with a port.
const maxAsked = 260

// shortened returns what a client asked for as far as an error repeats it. It may
// hold any characters, which %q escapes.
func shortened(asked string) string { return netname.Cut(netname.WithoutUserinfo(asked), maxAsked) }
