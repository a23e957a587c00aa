package checkclient

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// maxValue bounds one value that is shown.
const maxValue = 1000

// fields are those that are known.
type fields []Field

func (f *fields) add(name, value string) {
	if value != "" {
		*f = append(*f, Field{name, netname.Text(value, maxValue)})
	}
}

// speaks says what the client has shown of itself.
func (s *subject) speaks() []Field {
	all := fields{}
	c := s.seen
	if c == nil {
		return all
	}
	switch c.Offered {
	case "":
	case record.VersionNone:
		all.add("tls", "none: it has sent no ClientHello")
	default:
		all.add("tls", c.Offered+" at most")
		all.add("client_hello", hello(&c.Client))
	}
	all.add("last_negotiated", strings.TrimSpace(c.Version+" "+c.CipherSuite))
	all.add("protocols", strings.Join(c.Protocols, ", "))
	all.add("destinations", strings.Join(c.Destinations, ", "))
	return all
}

// hello says what is odd in a ClientHello.
func hello(c *inventory.Client) string {
	var parts []string
	if c.SSLv2Format {
		parts = append(parts, "in SSLv2 format")
	}
	if c.SendsSNI {
		parts = append(parts, "with a server name (SNI)")
	} else {
		parts = append(parts, "without a server name (SNI)")
	}
	return strings.Join(parts, ", ")
}

// does says what tlslift does with the client.
func (s *subject) does() []Field {
	all := fields{}
	if c := s.seen; c != nil {
		verb := "relays or refuses it"
		switch {
		case c.Rule == "":
			verb = "has decided nothing yet"
		case c.Rule == record.RuleCapable:
			verb = "passes it untouched"
		case c.Rule == record.RulePlaintext || c.Rule == record.RuleBypass:
			verb = "relays it"
		case c.Legacy || !c.LastLifted.IsZero():
			verb = "lifts it"
		}
		if meaning := c.Rule.Meaning(); meaning != "" {
			verb += ", because " + meaning
		}
		all.add("decision", verb)
		all.add("needs", c.Rule.Needs())
		all.add("connections", outcomes(c.Outcomes))
		if c.Accepted > 0 {
			all.add("mails", fmt.Sprintf("%d accepted, the last on %s", c.Accepted, c.LastAccepted.Local().Format(time.DateTime)))
		}
		all.add("last_good", moment(c.LastGood))
	}
	if s.signsIn {
		all.add("sign_in", "tlslift signs in for it"+s.toMailbox())
	}
	all.add("goes_to", s.options.To.String()) // in place of the listener's destination
	all.add("options", options(s.options))
	return all
}

func (s *subject) toMailbox() string {
	switch {
	case s.mailbox != nil:
		return ", to " + s.mailbox.Address
	case s.seen != nil && s.seen.Mailbox != "":
		return ", last to " + s.seen.Mailbox
	}
	return ""
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

// outcomes lists counts, in the order of the outcomes' names.
func outcomes(counts map[record.Outcome]uint64) string {
	var parts []string
	for outcome, n := range counts {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, outcome))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// options says what the clients file has of the client.
func options(o clientfile.Options) string {
	o.To = clientfile.Routes{} // said by itself
	if o == (clientfile.Options{}) {
		return ""
	}
	var parts []string
	add := func(is bool, text string) {
		if is {
			parts = append(parts, text)
		}
	}
	add(o.Plaintext == clientfile.PlaintextAllow, "it may go without TLS")
	add(o.Plaintext == clientfile.PlaintextRefuse, "it may not go without TLS")
	add(o.RC4, "RC4")
	add(o.DES, "single DES")
	add(o.DHBits > 0, fmt.Sprintf("DHE of %d bits", o.DHBits))
	add(o.SplitRecords, "split records")
	add(o.RecordSize > 0, fmt.Sprintf("records of at most %d bytes", o.RecordSize))
	add(o.Leaf.Hash == clientfile.HashSHA1, "a certificate signed with SHA-1")
	add(o.Leaf.Bits > 0, fmt.Sprintf("a certificate of %d bits", o.Leaf.Bits))
	add(o.Leaf.WithCA, "the CA sent along")
	add(!o.Leaf.NotBefore.IsZero(), "a certificate valid from "+o.Leaf.NotBefore.Format(time.DateOnly)+" on")
	if len(parts) == 0 {
		return "in the clients file, with no option"
	}
	return "the clients file permits: " + strings.Join(parts, ", ")
}

// fails returns why the client has failed last.
func (s *subject) fails() []Field {
	all := fields{}
	if s.seen == nil || s.seen.Failure == nil {
		return all
	}
	f := s.seen.Failure
	now := "no later connection was better"
	if !s.seen.Unsolved() {
		now = "a later connection had no problem"
	}
	all.add("at", moment(f.At)+"; "+now)
	all.add("reason", string(f.Reason))
	all.add("fault", string(f.Fault))
	all.add("cause", f.Cause)
	all.add("detail", f.Detail)
	all.add("smtp_reply", s.seen.SMTPReply)
	all.add("remedy", f.Remedy)
	return all
}
