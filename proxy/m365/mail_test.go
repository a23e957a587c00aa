package m365

import (
	"testing"

	"github.com/tlslift/tlslift/proxy/policy"
)

// The mail destinations of every instance are among what it allows.
func TestMailDestinationsAreAllowed(t *testing.T) {
	t.Parallel()
	for _, i := range Instances() {
		p, err := New(i, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := p.Mail()
		destinations := []policy.Destination{m.SMTP, m.IMAP, m.POP3}
		if i == Worldwide {
			destinations = append(destinations, m.HVE)
		} else if m.HVE != (policy.Destination{}) {
			t.Errorf("%s has %s for High Volume Email", i, m.HVE)
		}
		for _, d := range destinations {
			if !p.TakesTokens(d.Host) {
				t.Errorf("%s: %s takes no tokens", i, d)
			}
			if got, err := p.Check(d.Host, d.Port); err != nil || got != d {
				t.Errorf("%s: %s: got %v, %v", i, d, got, err)
			}
		}
	}
}
