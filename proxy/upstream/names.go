package upstream

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// lookupTimeout bounds one look-up, whoever waits for it.
	lookupTimeout = 30 * time.Second
	// joinable is how long after its begin a look-up can be joined: one that has lost
	// its packets must not take others with it.
	joinable = time.Second
	// patience is how long an answer is waited for before an older one serves (RFC 8767
	// section 5, client response timer).
	patience = 2 * time.Second
	// staleFor is how long an answer serves while none can be had, and recheck how long
	// nobody asks again then.
	staleFor = 15 * time.Minute
	recheck  = 10 * time.Second
	// maxAnswers bounds the answers that are kept.
	maxAnswers = 1024
)

// The networks of a look-up, as a net.Resolver names them: A, AAAA, or both.
const (
	networkIPv4 = "ip4"
	networkIPv6 = "ip6"
	networkBoth = "ip"
)

// A names is what looks up names. Those who ask for the same at the same time share a
// look-up, and the last good answer serves for some minutes when there is none. That a
// name does not exist is an answer. It is safe for concurrent use.
type names struct {
	lookup func(ctx context.Context, network, name string) ([]netip.Addr, error)

	mu      sync.Mutex
	flights map[question]*flight
	kept    map[question]keptAnswer
}

// A question is what is looked up.
type question struct{ network, name string }

// A keptAnswer is the last good one.
type keptAnswer struct {
	addrs []netip.Addr
	at    time.Time
	until time.Time // it serves without a look-up until then, because the last one failed
}

// A flight is a look-up that is under way.
type flight struct {
	since   time.Time
	cancel  context.CancelFunc
	waiting int // who waits for it; with the last one it ends

	done  chan struct{} // closed once addrs and err are set
	addrs []netip.Addr
	err   error
}

// newNames returns a names that asks r; nil means net.DefaultResolver.
func newNames(r *net.Resolver) *names {
	r = cmp.Or(r, net.DefaultResolver)
	return &names{
		flights: map[question]*flight{}, kept: map[question]keptAnswer{},
		lookup: func(ctx context.Context, network, name string) ([]netip.Addr, error) {
			// A Resolver lets look-ups join each other however old they are. A copy has none.
			alone := net.Resolver{PreferGo: r.PreferGo, StrictErrors: r.StrictErrors, Dial: r.Dial}
			return alone.LookupNetIP(ctx, network, name)
		},
	}
}

// find returns the addresses of a name. The error is a *net.DNSError, or what else the
// look-up gave.
func (n *names) find(ctx context.Context, q question) ([]netip.Addr, error) {
	if addrs := n.servesAlone(q); addrs != nil {
		return addrs, nil
	}
	f := n.join(q)
	defer n.leave(q, f)
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case <-f.done:
			if f.err == nil || isNotFound(f.err) {
				return f.addrs, f.err
			}
			if addrs := n.stale(q); addrs != nil {
				return addrs, nil
			}
			return nil, f.err
		case <-late.C:
			if addrs := n.stale(q); addrs != nil {
				return addrs, nil
			}
		case <-ctx.Done():
			return nil, &net.DNSError{
				UnwrapErr: ctx.Err(), Err: "no answer in time", Name: q.name, IsTimeout: errors.Is(ctx.Err(), context.DeadlineExceeded),
			}
		}
	}
}

// networksOf returns what to look up of a name. One that the search list may complete
// is looked up at once, since it could be another one for each family.
func networksOf(name string) []string {
	if !strings.HasSuffix(name, ".") {
		return []string{networkBoth}
	}
	return []string{networkIPv6, networkIPv4}
}

// of is find for one network of a name, and also finds what is written in the form of
// the other one: /etc/hosts and IPv4 addresses in AAAA records give that.
func (n *names) of(ctx context.Context, network, name string) ([]netip.Addr, error) {
	addrs, err := n.find(ctx, question{network, name})
	if _, isOtherKind := errors.AsType[*net.AddrError](err); isOtherKind {
		return n.find(ctx, question{networkBoth, name})
	}
	return addrs, err
}

// all returns the addresses of a name of both families, or those that could be found.
func (n *names) all(ctx context.Context, name string) ([]netip.Addr, error) {
	networks := networksOf(name)
	found, errs := make([][]netip.Addr, len(networks)), make([]error, len(networks))
	var asked sync.WaitGroup
	for i, network := range networks {
		asked.Go(func() { found[i], errs[i] = n.of(ctx, network, name) })
	}
	asked.Wait()
	if all := slices.Concat(found...); len(all) > 0 {
		return all, nil
	}
	return nil, slices.MaxFunc(errs, func(a, b error) int { return cmp.Compare(weight(a), weight(b)) })
}

// servesAlone returns the kept answer if no look-up is due; nil if one is.
func (n *names) servesAlone(q question) []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); now.Before(n.kept[q].until) && now.Sub(n.kept[q].at) < staleFor {
		return n.kept[q].addrs
	}
	return nil
}

// stale returns the kept answer because there is no other; nil if it is too old. Until
// recheck it then serves alone.
func (n *names) stale(q question) []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	k, now := n.kept[q], time.Now()
	if now.Sub(k.at) >= staleFor {
		delete(n.kept, q)
		return nil
	}
	k.until = now.Add(recheck)
	n.kept[q] = k
	return k.addrs
}

// join returns the look-up of q that is under way, or a new one. Leave follows.
func (n *names) join(q question) *flight {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.flights[q]
	if f == nil || time.Since(f.since) >= joinable {
		f = &flight{since: time.Now(), done: make(chan struct{})}
		var ctx context.Context
		ctx, f.cancel = context.WithTimeout(context.Background(), lookupTimeout)
		n.flights[q] = f
		go n.fly(ctx, q, f)
	}
	f.waiting++
	return f
}

// leave ends the look-up, and waits for that, if nobody else waits for it.
func (n *names) leave(q question, f *flight) {
	n.mu.Lock()
	f.waiting--
	isLast := f.waiting == 0
	if isLast && n.flights[q] == f {
		delete(n.flights, q)
	}
	n.mu.Unlock()
	if isLast {
		f.cancel()
		<-f.done
	}
}

// fly looks up q. Who leaves last waits for it.
func (n *names) fly(ctx context.Context, q question, f *flight) {
	defer close(f.done)
	f.addrs, f.err = n.lookup(ctx, q.network, q.name)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.flights[q] == f {
		delete(n.flights, q)
	}
	switch {
	case f.err == nil && len(f.addrs) > 0:
		n.keep(q, f.addrs)
	case isNotFound(f.err):
		delete(n.kept, q)
	}
}

// keep keeps an answer. Where there are too many, any other one goes. n.mu is held.
func (n *names) keep(q question, addrs []netip.Addr) {
	if _, known := n.kept[q]; !known && len(n.kept) >= maxAnswers {
		for other := range n.kept {
			delete(n.kept, other)
			break
		}
	}
	n.kept[q] = keptAnswer{addrs: addrs, at: time.Now()}
}

// isNotFound reports whether err says that there is no such name, or no address of the
// kind that was asked for.
func isNotFound(err error) bool {
	dns, is := errors.AsType[*net.DNSError](err)
	return is && dns.IsNotFound
}
