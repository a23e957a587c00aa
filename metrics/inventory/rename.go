package inventory

import (
	"cmp"
	"net/netip"
	"slices"
)

// A Renaming says that a client that was known by its address has a name.
type Renaming struct {
	Address netip.Addr
	Client  Client // what is known of it now
}

// Rename gives clients that were known by their address the names that they have in
// the clients file by now; nameOf returns nothing for those without one. What was known
// of the address and of the name becomes one client.
func (v *Inventory) Rename(nameOf func(netip.Addr) string) []Renaming {
	v.mu.Lock()
	defer v.mu.Unlock()
	var renamed []*entry
	for _, e := range v.clients.byKey {
		if e.client.Name == "" && e.client.Address.IsValid() && nameOf(e.client.Address) != "" {
			renamed = append(renamed, e)
		}
	}
	slices.SortFunc(renamed, func(a, b *entry) int { return a.client.LastSeen.Compare(b.client.LastSeen) })
	all := make([]Renaming, 0, len(renamed))
	for _, old := range renamed {
		name := clean(nameOf(old.client.Address))
		v.clients.remove(old)
		e, known := v.clients.admit(name, old.rank)
		if e == nil {
			continue
		}
		if !known {
			e.client, e.asked = old.client.copy(), old.asked
		} else {
			e.client.merge(&old.client)
		}
		e.client.Client, e.client.Name = name, name
		e.latest.max = v.clients.connectionsPerClient()
		e.latest.merge(old.latest.list)
		all = append(all, Renaming{Address: old.client.Address, Client: e.client.copy()})
	}
	v.clients.sort()
	v.unsaved = v.unsaved || len(all) > 0
	return all
}

// merge adds what was known of other. What the newer of the two says last stays.
func (c *Client) merge(other *Client) {
	older, newer := other.copy(), c.copy()
	if other.LastSeen.After(c.LastSeen) {
		older, newer = newer, older
	}
	*c = newer
	if older.FirstSeen.Before(c.FirstSeen) {
		c.FirstSeen = older.FirstSeen
	}
	c.LastLifted, c.LastGood = later(c.LastLifted, older.LastLifted), later(c.LastGood, older.LastGood)
	c.LastLegacy, c.LastCapable = later(c.LastLegacy, older.LastLegacy), later(c.LastCapable, older.LastCapable)
	if older.Failure != nil && (c.Failure == nil || older.Failure.At.After(c.Failure.At)) {
		c.Failure = older.Failure
	}
	if older.LastAccepted.After(c.LastAccepted) {
		c.LastAccepted = older.LastAccepted
	} else if older.LastSeen.After(c.LastAccepted) {
		c.SessionsWithoutMail += older.SessionsWithoutMail
	}
	c.Accepted += older.Accepted
	c.FailedInSession += older.FailedInSession
	c.BytesFromClient += older.BytesFromClient
	c.BytesToClient += older.BytesToClient
	if c.Outcomes == nil {
		c.Outcomes = older.Outcomes
		older.Outcomes = nil
	}
	for o, n := range older.Outcomes {
		c.Outcomes[o] += n
	}
	for _, p := range older.Protocols {
		c.Protocols = addSorted(c.Protocols, p, maxProtocols)
	}
	c.Destinations = joined(c.Destinations, older.Destinations, maxDestinations)
	c.Listeners = joined(c.Listeners, older.Listeners, maxListeners)
	c.Host, c.Offered, c.Rule = cmp.Or(c.Host, older.Host), cmp.Or(c.Offered, older.Offered), cmp.Or(c.Rule, older.Rule)
	c.JA3, c.JA4, c.SMTPReply = cmp.Or(c.JA3, older.JA3), cmp.Or(c.JA4, older.JA4), cmp.Or(c.SMTPReply, older.SMTPReply)
	if c.Version == "" {
		c.Version, c.CipherSuite, c.KeyExchange, c.Resumed = older.Version, older.CipherSuite, older.KeyExchange, older.Resumed
	}
}

// joined returns list and those of more that it does not have, at most max.
func joined(list, more []string, max int) []string {
	for _, s := range more {
		if len(list) < max && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// merge adds connections of another ring.
func (r *ring) merge(more []*Connection) {
	r.list = append(slices.Clone(r.list), more...)
	slices.SortFunc(r.list, func(a, b *Connection) int { return cmp.Compare(a.Number, b.Number) })
	if over := len(r.list) - r.max; over > 0 {
		r.list = slices.Delete(r.list, 0, over)
	}
}
