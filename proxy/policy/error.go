package policy

import (
	"fmt"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// An Error is the refusal of a destination.
type Error struct {
	// Reason is one of ReasonDestinationInvalid, ReasonDestinationIsAddress,
	// ReasonDestinationNotAllowed (no pattern matches the host) and
	// ReasonPortNotAllowed (a pattern matches the host, on other ports).
	Reason record.Reason
	// Asked is the destination as the client gave it, shortened, and without
	// what stood before an @, which may be a password.
	Asked string
	// Detail says what is wrong with an invalid destination, or which ports
	// of the host are allowed.
	Detail string
}

// Error says what was asked for and why it was refused.
func (e *Error) Error() string {
	switch e.Reason {
	case record.ReasonDestinationIsAddress:
		return fmt.Sprintf("destination %q is an IP address: destinations are allowed by host name", e.Asked)
	case record.ReasonDestinationNotAllowed:
		return fmt.Sprintf("destination %q is not allowed: %s", e.Asked, e.Detail)
	case record.ReasonPortNotAllowed:
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
