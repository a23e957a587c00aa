package statuspage

import (
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy"
)

// A state is what an administrator wants to know first of a client; the worst
// comes first.
type state int

const (
	stateFailing state = iota
	stateLifted
	statePassed
	stateIdle
)

func stateOf(c *inventory.Client) state {
	switch {
	case c.Failing():
		return stateFailing
	case c.Legacy():
		return stateLifted
	case c.Outcomes[proxy.OutcomePassed] > 0 || c.Outcomes[proxy.OutcomeLifted] > 0:
		return statePassed
	}
	return stateIdle
}

// text is also the CSS class.
func (s state) text() string {
	return [...]string{"failing", "lifted", "passed", "idle"}[s]
}

// meaning is shown with the state.
func (s state) meaning() string {
	return [...]string{
		"its last connection had a problem",
		"needs tlslift to reach Microsoft 365",
		"can reach Microsoft 365 by itself",
		"has not carried anything yet",
	}[s]
}

// whyText says in words by which rule a client was passed or lifted.
func whyText(why string) string {
	switch why {
	case "":
		return ""
	case "capable":
		return "it offers everything that Microsoft 365 asks for"
	case "tls_version":
		return "it offers nothing newer than TLS 1.1"
	case "cipher_suites":
		return "it offers no ECDHE cipher suite that Microsoft 365 takes"
	case "signature_algorithms":
		return "it offers no RSA signature with SHA-256 or better"
	case "groups":
		return "it offers no elliptic curve that Microsoft 365 takes"
	case "hello_format":
		return "it begins with a ClientHello in SSLv2 format"
	case "destination_refused":
		return "the destination refused its ClientHello"
	case "opening_differs":
		return "one side begins with TLS and the other with STARTTLS"
	case "plaintext":
		return "it uses no TLS"
	case "other_destination":
		return "it goes to where tlslift may not, and is relayed untouched"
	}
	return shown(why)
}
