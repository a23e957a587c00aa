package watch

import (
	"strings"
	"testing"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
)

// Only the outcome is coloured, and only on a terminal.
func TestColoursOutcomesOnly(t *testing.T) {
	t.Parallel()
	c := &inventory.Connection{Client: "a", Outcome: record.OutcomeLifted, Seconds: 1.5, ClientTLS: "TLS 1.0 X", UpstreamTLS: "TLS 1.3 Y"}
	plain, coloured := (&Watch{}).text(c), (&Watch{Colours: true}).text(c)
	if !strings.Contains(plain, "  lifted   a ") || !strings.Contains(plain, "TLS 1.0 -> TLS 1.3") ||
		!strings.Contains(plain, "  1.5s\n") || strings.Contains(plain, "\x1b") {
		t.Errorf("got %q", plain)
	}
	if strings.Count(coloured, "\x1b[") != 2 || !strings.Contains(coloured, "\x1b[33mlifted \x1b[0m") {
		t.Errorf("got %q", coloured)
	}
}
