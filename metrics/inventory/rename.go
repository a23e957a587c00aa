package inventory

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Naming says which names clients have.
type Naming interface {
	// NameOf returns the name of an address; nothing if it has none.
	NameOf(netip.Addr) string
	// Has reports whether a client has the name.
	Has(name string) bool
}

// A Renaming says that what was known of a client is that of another one now.
type Renaming struct {
	From   string // the name or the address before
	Client Client // what is known of it now
}

// newName returns the name that a client should have; nothing if it keeps the one that
// it has. While a name exists, what is known of it stays with it, also when an address
// goes over to another name: what the address did before cannot be told apart. When the
// name is gone, its last address says what it is called now.
func newName(c *Client, names Naming) string {
	if !c.Address.IsValid() || c.Name != "" && names.Has(c.Name) {
		return ""
	}
	return clean(names.NameOf(c.Address))
}

// Rename gives clients that were known by their address, or by a name that no longer
// exists, the names that they have now. What was known of both becomes one client.
func (v *Inventory) Rename(names Naming) []Renaming {
	v.dns.renew()
	v.mu.Lock()
	defer v.mu.Unlock()
	var renamed []*entry
	for _, e := range v.clients.byKey {
		if newName(&e.client, names) != "" {
			renamed = append(renamed, e)
		}
	}
	if len(renamed) == 0 {
		return nil
	}
	slices.SortFunc(renamed, func(a, b *entry) int { return a.client.LastSeen.Compare(b.client.LastSeen) })
	all := make([]Renaming, 0, len(renamed))
	for _, old := range renamed {
		from, name := old.client.Client, newName(&old.client, names)
		if e := v.clients.move(old, name); e != nil {
			all = append(all, Renaming{From: from, Client: e.client.copy()})
		}
	}
	renameConnections(v, all)
	v.clients.sort()
	v.unsaved, v.fresh = true, true
	return all
}

// move adds what is known of old to the client of a name; it returns nil if there is no
// room for it.
func (t *table) move(old *entry, name string) *entry {
	t.remove(old)
	e, known := t.admit(name, old.client.Address, record.StandingNamed)
	if e == nil {
		return nil
	}
	if !known {
		e.client = old.client.copy()
	} else {
		e.client.merge(&old.client)
	}
	e.client.Client, e.client.Name = name, name
	e.latest.max = t.connectionsPerClient()
	e.latest.merge(&old.latest)
	return e
}

// renameConnections gives the connections that are kept the names of their clients.
func renameConnections(v *Inventory, all []Renaming) {
	names := make(map[string]string, len(all))
	for _, r := range all {
		names[r.From] = r.Client.Client
		if e, ok := v.clients.byKey[r.Client.Client]; ok {
			for i := range e.latest.list {
				e.latest.list[i].client = e.client.Client
			}
		}
	}
	for i := range v.latest.list {
		if name, ok := names[v.latest.list[i].client]; ok {
			v.latest.list[i].client = name
		}
	}
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
	if older.LastSignIn.After(c.LastSignIn) {
		c.Mailbox, c.Login, c.LastSignIn = older.Mailbox, older.Login, older.LastSignIn
	}
	if older.Failure != nil && (c.Failure == nil || older.Failure.At.After(c.Failure.At)) {
		c.Failure = older.Failure
	}
	if older.LastAccepted.After(c.LastAccepted) {
		c.LastAccepted = older.LastAccepted
	} else if older.LastSeen.After(c.LastAccepted) {
		c.SessionsWithoutMail += older.SessionsWithoutMail
	}
	c.Accepted, c.MailPause = c.Accepted+older.Accepted, max(c.MailPause, older.MailPause)
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
	c.Rule, c.SMTPReply = cmp.Or(c.Rule, older.Rule), cmp.Or(c.SMTPReply, older.SMTPReply)
	if c.Host == "" && c.Address == older.Address {
		c.Host, c.HostConfirmed = older.Host, older.HostConfirmed
	}
	if c.Offered == "" {
		c.Offered, c.SSLv2Format, c.SendsSNI, c.JA3, c.JA4 = older.Offered, older.SSLv2Format, older.SendsSNI, older.JA3, older.JA4
	}
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
func (r *ring) merge(more *ring) {
	all := append(r.inOrder(), more.inOrder()...)
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(a.number, b.number) })
	r.set(all)
}
