package main

import (
	"slices"
	"time"

	"github.com/tlslift/tlslift/metrics/statuspage"
)

// pageOptions returns what the status page shows of a service.
func (s *service) pageOptions(version string) statuspage.Options {
	return statuspage.Options{
		Inventory: s.inventory,
		Listeners: s.proxy.Listeners,
		Authority: statuspage.Authority{Certificate: s.ca.Certificate(), Fingerprint: s.ca.Fingerprint()},
		Endpoints: func() statuspage.Endpoints { return *s.list.Load() },
		Version:   version,
	}
}

// showList shows the policy in use on the status page. It is called where the policy
// may be read: at the start, and then by the refresh of the list.
func (s *service) showList(checked time.Time) {
	list := s.policy.List()
	shown := &statuspage.Endpoints{
		Instance:  list.Instance().String(),
		List:      list.String(),
		Checked:   checked,
		Refreshed: bool(s.cfg.Refresh),
	}
	for _, e := range s.policy.Endpoints() {
		if e.HasPort(443) {
			shown.Patterns = append(shown.Patterns, e.Pattern())
		}
	}
	slices.Sort(shown.Patterns)
	shown.Patterns = slices.Compact(shown.Patterns)
	s.list.Store(shown)
}
