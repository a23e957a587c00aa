package main

import (
	"net/url"
	"slices"
	"time"

	"github.com/tlslift/tlslift/metrics/statuspage"
)

// pageOptions is what the status page shows of a service.
func (s *service) pageOptions(version string) statuspage.Options {
	return statuspage.Options{
		Inventory: s.inventory,
		Listeners: s.listenerURLs,
		Authority: statuspage.Authority{Certificate: s.ca.Certificate(), Fingerprint: s.ca.Fingerprint()},
		Endpoints: func() statuspage.Endpoints { return *s.list.Load() },
		Version:   version,
	}
}

// listenerURLs returns the listeners that are open.
func (s *service) listenerURLs() []*url.URL {
	var all []*url.URL
	for _, l := range s.proxy.Listeners() {
		all = append(all, &url.URL{Scheme: string(l.Scheme), Host: l.Address})
	}
	return all
}

// showList puts the policy in force onto the status page. It is called where the
// policy may be read: at the start, and then by who asks for other lists.
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
