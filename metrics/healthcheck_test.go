package metrics

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A health check of a balancer has no series, and is not open any more.
func TestHealthCheckIsNotCounted(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	observe(m, &record.Record{
		Listener: proxyListener, Client: netip.MustParseAddr("10.0.0.1"), ByBalancer: true,
		Outcome: record.OutcomeFailed, Reason: record.ReasonClosedBeforeHello,
	})
	if got := series(t, m, `tlslift_connections_active{listener="`+proxyListener+`"}`); got != "0" {
		t.Errorf("%s connections are open", got)
	}
	if text := ours(scrape(t, m)); strings.Contains(text, "client=") || strings.Contains(text, "tlslift_connections_total{") {
		t.Errorf("a health check is counted:\n%s", text)
	}
}
