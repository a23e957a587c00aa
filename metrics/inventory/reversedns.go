package inventory

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	maxLookups        = 4 // at once
	maxWaitingLookups = 256
	lookupTimeout     = 2 * time.Second
	lookupEvery       = 24 * time.Hour
	// namedLookupEvery is for addresses whose name the clients file has: another
	// device may get the address.
	namedLookupEvery = time.Hour
)

// A lookup is a question to reverse DNS.
type lookup struct {
	key  string
	addr netip.Addr
}

// A host is what reverse DNS says of an address.
type host struct {
	asked time.Time
	name  string
	// confirmed means that the name leads back to the address. The owner of the zone of
	// an address may write any name there.
	confirmed bool
}

// A reverseDNS keeps the names of addresses. It has a lock of its own: NameOf of a
// Naming may ask for them.
type reverseDNS struct {
	options   *Options
	questions chan lookup // nil without Options.Lookup

	mu    sync.RWMutex
	hosts map[netip.Addr]host // as many as clients at most
	max   int
}

func newReverseDNS(o *Options, max int) *reverseDNS {
	d := &reverseDNS{options: o, hosts: make(map[netip.Addr]host), max: max}
	if o.Lookup != nil {
		d.questions = make(chan lookup, maxWaitingLookups)
	}
	return d
}

func (d *reverseDNS) isNamed(name string) bool {
	return name != "" && d.options.IsNamed != nil && d.options.IsNamed(name)
}

// ask lets Run ask for the name of an address, at most once a day, or once an hour if
// the clients file has it. When too many questions wait, the next connection asks again.
func (d *reverseDNS) ask(key string, addr netip.Addr, now time.Time) {
	if d.questions == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h, known := d.hosts[addr]
	every := lookupEvery
	if d.isNamed(h.name) {
		every = namedLookupEvery
	}
	if known && !h.asked.IsZero() && now.Sub(h.asked) < every || !known && !d.makeRoom(now) {
		return
	}
	select {
	case d.questions <- lookup{key, addr}:
		h.asked = now
		d.hosts[addr] = h
	default:
	}
}

// renew lets the next connection ask about the names that the clients file has by now,
// and that were not confirmed.
func (d *reverseDNS) renew() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for addr, h := range d.hosts {
		if !h.confirmed && d.isNamed(h.name) {
			h.asked = time.Time{}
			d.hosts[addr] = h
		}
	}
}

// describe gives a client the name of its address, if it is known.
func (d *reverseDNS) describe(c *Client) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if h := d.hosts[c.Address]; h.name != "" {
		c.Host, c.HostConfirmed = h.name, h.confirmed
	}
}

// makeRoom reports whether there is room for one more address.
func (d *reverseDNS) makeRoom(now time.Time) bool {
	if len(d.hosts) >= d.max {
		for addr, h := range d.hosts {
			if now.Sub(h.asked) >= lookupEvery {
				delete(d.hosts, addr)
			}
		}
	}
	return len(d.hosts) < d.max
}

// set keeps an answer, and reports whether it is another name than before.
func (d *reverseDNS) set(addr netip.Addr, name string, confirmed bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hosts[addr]
	changed := h.name != name || h.confirmed != confirmed
	h.name, h.confirmed = name, confirmed
	d.hosts[addr] = h
	return changed
}

// HostOf returns the name of an address in reverse DNS, if it leads back to the address;
// nothing if none is known. It never asks anybody.
func (v *Inventory) HostOf(addr netip.Addr) string {
	v.dns.mu.RLock()
	defer v.dns.mu.RUnlock()
	if h := v.dns.hosts[addr.Unmap()]; h.confirmed {
		return h.name
	}
	return ""
}

// startLookups answers the questions until ctx is done.
func startLookups(ctx context.Context, v *Inventory, running *sync.WaitGroup) {
	if v.dns.questions == nil {
		return
	}
	for range maxLookups {
		running.Go(func() { answerLookups(ctx, v) })
	}
}

func answerLookups(ctx context.Context, v *Inventory) {
	for {
		select {
		case <-ctx.Done():
			return
		case question := <-v.dns.questions:
			v.answer(ctx, question)
		}
	}
}

// answer asks one question. Without an answer the client keeps its name.
func (v *Inventory) answer(ctx context.Context, question lookup) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	names, err := v.options.Lookup(ctx, question.addr)
	if err != nil {
		return
	}
	name := hostName(names)
	confirmed := v.dns.isNamed(name) && v.options.Confirm != nil && v.options.Confirm(ctx, name, question.addr)
	v.mu.Lock()
	if e, ok := v.clients.byKey[question.key]; ok && e.client.Address == question.addr {
		e.client.Host, e.client.HostConfirmed = name, confirmed
		v.note(&e.client)
	}
	v.mu.Unlock()
	if v.dns.set(question.addr, name, confirmed) && confirmed && v.options.Named != nil {
		v.options.Named()
	}
}

// hostName returns the first valid one in the order of the alphabet; empty if
// there is none. The owner of the zone of the address chooses the names, so they
// may be anything.
func hostName(names []string) string {
	var valid []string
	for _, name := range names {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if netname.IsHost(name) {
			valid = append(valid, name)
		}
	}
	if len(valid) == 0 {
		return ""
	}
	return slices.Min(valid)
}
