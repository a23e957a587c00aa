package clientlist

import (
	"cmp"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/record"
)

// Additions returns the clients as they are written in a clients file.
func Additions(all []statuspage.Client) []clientfile.Addition {
	var found []clientfile.Addition
	for i := range all {
		c := &all[i]
		served := c.Outcomes[record.OutcomePassed]+c.Outcomes[record.OutcomeLifted] > 0
		if c.Failure != nil && c.Failure.Reason == record.ReasonClientNotAllowed && !served {
			continue
		}
		found = append(found, clientfile.Addition{Name: cmp.Or(c.Name, c.Host), Named: c.Name != "", Address: c.Address, Comment: described(c)})
	}
	return found
}

// described returns in a line what is known of a client: what it speaks, whether it gets
// through, and when it was last seen.
func described(c *statuspage.Client) string {
	speaks := cmp.Or(c.Offered, "no ClientHello yet")
	if len(c.Protocols) > 0 {
		speaks += ", " + strings.Join(c.Protocols, " and ")
	}
	if len(c.Destinations) > 0 {
		speaks += " to " + c.Destinations[0]
	}
	texts := []string{speaks}
	switch {
	case c.Unsolved():
		texts = append(texts, "fails: "+string(c.Failure.Reason))
	case c.Legacy:
		texts = append(texts, "needs tlslift")
	}
	if c.Host != "" {
		texts = append(texts, "reverse DNS: "+c.Host)
	}
	if !c.LastSeen.IsZero() {
		texts = append(texts, "last seen "+c.LastSeen.UTC().Format(time.DateOnly))
	}
	return strings.Join(texts, "; ")
}
