package metrics

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// A roster has the clients with series of their own. Those that the clients file names
// always get some; at most max others do. Of these, at most a tenth are untrusted, so
// that a scan from the Internet leaves the printers their series, at most half were never
// served, and no group of addresses has more than its share.
type roster struct {
	max       int
	groupBits int
	create    func(clientKey) *client

	mu      sync.RWMutex
	entries map[clientKey]*client
	have    [record.Standings]int
	ofGroup map[netip.Prefix]int // of clients without a name
}

func newRoster(max, groupBits int, create func(clientKey) *client) *roster {
	return &roster{
		max: max, groupBits: groupBits, create: create, entries: map[clientKey]*client{}, ofGroup: map[netip.Prefix]int{},
	}
}

// share returns how many addresses of one group may have series.
func (r *roster) share() int { return max(4, r.max/50) }

// unnamed returns how many clients without a name there are.
func (r *roster) unnamed() int { return len(r.entries) - r.have[record.StandingNamed] }

// get returns a client that has this standing now, and creates it if there is room; nil
// means that there is none. The standing of a client only rises.
func (r *roster) get(key clientKey, now record.Standing) *client {
	r.mu.RLock()
	c := r.entries[key]
	rises := c != nil && now > c.standing
	r.mu.RUnlock()
	if c != nil && !rises {
		return c
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c = r.entries[key]; c != nil {
		if now > c.standing {
			r.have[c.standing]--
			r.have[now]++
			c.standing = now
		}
		return c
	}
	group := netname.Group(key.addr, r.groupBits)
	if now != record.StandingNamed && !r.hasRoom(now, group) {
		return nil
	}
	c = r.create(key)
	c.standing, c.group = now, group
	r.entries[key] = c
	r.count(c, 1)
	return c
}

// hasRoom reports whether there is room for a client without a name.
func (r *roster) hasRoom(now record.Standing, group netip.Prefix) bool {
	switch {
	case r.unnamed() >= r.max, r.ofGroup[group] >= r.share():
		return false
	case now == record.StandingUntrusted:
		return r.have[record.StandingUntrusted] < r.max/10
	case now == record.StandingUnserved:
		return r.have[record.StandingUntrusted]+r.have[record.StandingUnserved] < max(1, r.max/2)
	}
	return true
}

// count adds to the numbers of clients.
func (r *roster) count(c *client, n int) {
	r.have[c.standing] += n
	if c.standing == record.StandingNamed {
		return
	}
	if r.ofGroup[c.group] += n; r.ofGroup[c.group] == 0 {
		delete(r.ofGroup, c.group)
	}
}

// remove deletes the clients for which done is true, and returns these and those that
// stay.
func (r *roster) remove(done func(*client) bool) (removed, kept []*client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, c := range r.entries {
		if !done(c) {
			kept = append(kept, c)
			continue
		}
		removed = append(removed, c)
		delete(r.entries, key)
		r.count(c, -1)
	}
	return removed, kept
}

// silentFor is after which time without a connection a client may have to make room. A
// regular one never has to.
const silentFor = 10 * time.Minute

// excess returns clients that have to go from a roster that is full, or from a group that
// has all of its share, so that a quarter of the room is free for new ones: of those that
// are silent and have not come for long, first the ones of the lowest standing, and then
// the ones that were silent for longest.
func (r *roster) excess(now time.Time) map[*client]bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var all []*client
	for _, c := range r.entries {
		if c.standing < record.StandingNamed && now.Sub(c.lastSeen) >= silentFor && c.lastSeen.Sub(c.firstSeen) < record.RegularAfter {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *client) int {
		return cmp.Or(cmp.Compare(a.standing, b.standing), a.lastSeen.Compare(b.lastSeen))
	})
	out, left, ofGroup := map[*client]bool{}, r.unnamed(), maps.Clone(r.ofGroup)
	isFull := left >= r.max
	for _, c := range all {
		crowded := isFull && left > r.max*3/4
		crowdedGroup := r.ofGroup[c.group] >= r.share() && ofGroup[c.group] > r.share()*3/4
		if crowded || crowdedGroup {
			out[c] = true
			left--
			ofGroup[c.group]--
		}
	}
	return out
}

func (r *roster) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.entries)
}
