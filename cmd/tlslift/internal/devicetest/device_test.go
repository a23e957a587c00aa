package devicetest

import (
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/plan"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/sink"
	"github.com/tlslift/tlslift/proxy/clientfile"
)

// A device, or a monitoring program at its address, may look all the time whether a port is
// open: that leaves room for tries, and is reported once for each port.
func TestPortChecks(t *testing.T) {
	t.Parallel()
	d := &device{plan: plan.New(clientfile.Options{})}
	for range 2 * maxKept {
		for _, listener := range []string{"smtp://:587", "smtps://:465"} {
			d.take(plan.Try{Listener: listener, Outcome: plan.Nothing})
		}
	}
	d.take(plan.Try{Listener: "smtp://:587", Outcome: plan.Completed, Session: sink.Seen{Mails: 2, MailBytes: 10}})
	if lines := d.news(); !d.plan.Done() || len(lines) != 4 ||
		lines[2] != "invalid IP, try 3: no TLS; 2 mails of 10 bytes at most" {
		t.Errorf("done: %v; got %q", d.plan.Done(), lines)
	}
}
