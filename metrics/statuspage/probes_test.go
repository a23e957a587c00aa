package statuspage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/probes"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// The page lists what probes have found: destinations that fail first, with a remedy, and no
// more than a few of those that can be reached. Without probes there is no table.
func TestProbes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at, since := now.Add(-time.Minute), now.Add(-3*time.Hour)
	o := options(t, testenv.NewInventory())
	if body := page(t, newSite(t, o), "/"); strings.Contains(body, "Probes") {
		t.Error("there is a table of probes, and there are none")
	}
	var all []probes.Probe
	o.Probes = func() []probes.Probe { return all }
	site := newSite(t, o)
	all = []probes.Probe{
		{Destination: "outlook.office365.com:443", At: at, Since: since},
		{Destination: "smtp.office365.com:587", Reason: record.ReasonUpstreamTimeout, At: at, Since: since},
		{Destination: "<script>alert(1)</script>:25", Reason: record.ReasonDNSFailed, At: at, Since: at},
	}
	body := page(t, site, "/")
	wantInOrder(t, body, "Probes by tlslift itself", "&lt;script&gt;", `/reasons#upstream_dns_failed`, "1 minute ago",
		"smtp.", `/reasons#upstream_timeout`, "3 hours ago", "outlook.", "reached", "3 hours ago", "Last round", "1 minute ago")
	remedy, _, _ := strings.Cut(record.ReasonUpstreamTimeout.Remedy(), " ")
	wantInOrder(t, body, `/reasons#upstream_timeout`, remedy)
	if strings.Contains(body, "<script>alert") || strings.Contains(body, "more can be reached") {
		t.Error("the page has markup of a destination, or leaves one out")
	}
	for i := range maxReached + 4 {
		all = append(all, probes.Probe{Destination: fmt.Sprintf("host%02d.example.com:443", i), At: at, Since: since})
	}
	body = page(t, site, "/")
	wantInOrder(t, body, "upstream_dns_failed", "upstream_timeout", "host00", "host09", "5 more can be reached")
	if strings.Contains(body, "host10") {
		t.Error("too many are listed that can be reached")
	}
}
