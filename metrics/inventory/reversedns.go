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
)

// A lookup is a question to reverse DNS.
type lookup struct {
	key  string
	addr netip.Addr
}

// askForHost lets Run ask for a client's name, at most once a day, and never for
// that of an untrusted client: a scan must not become a flood of questions. When
// too many questions wait, the client's next connection asks again.
func (v *Inventory) askForHost(e *entry, c *Connection) {
	if v.lookups == nil || e.rank == untrusted || !e.asked.IsZero() && c.Start.Sub(e.asked) < lookupEvery {
		return
	}
	select {
	case v.lookups <- lookup{c.Client, c.Address}:
		e.asked = c.Start
	default:
	}
}

// startLookups answers the questions until ctx is done.
func (v *Inventory) startLookups(ctx context.Context, running *sync.WaitGroup) {
	if v.lookups == nil {
		return
	}
	for range maxLookups {
		running.Go(func() { v.answerLookups(ctx) })
	}
}

func (v *Inventory) answerLookups(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case question := <-v.lookups:
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
	host := hostName(names)
	v.mu.Lock()
	defer v.mu.Unlock()
	if e, ok := v.clients.byKey[question.key]; ok && e.client.Host != host {
		e.client.Host = host
		v.unsaved = true
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
