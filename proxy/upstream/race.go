package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	// attemptDelay is how long an attempt is alone before the next address is tried too
	// (RFC 8305 section 5).
	attemptDelay = 250 * time.Millisecond
	// resolutionDelay is how long IPv4 addresses wait for IPv6 ones (RFC 8305 section 3), and
	// those that have failed lately for any others.
	resolutionDelay = 50 * time.Millisecond
	// maxAttempts bounds how many addresses of one name are tried.
	maxAttempts = 32
)

// A race is one Dial to all addresses of a name, by RFC 8305: they begin one after the
// other, and who connects first wins. Only run uses it.
type race struct {
	connect func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	failed  *failures
	port    uint16

	answers  chan resolved
	unknown  int // answers that are to come
	attempts chan *attempt
	running  map[*attempt]bool
	begun    int
	spare    spare // for attempts that run beside another one
	extras   int   // had of spare

	seen   map[netip.AddrPort]bool
	queue  [2][2][]netip.AddrPort // by whether they have failed lately, and family
	family int                    // of the last attempt
	delay  *time.Timer            // until the next attempt may begin
	isHeld bool                   // by delay

	err error // the one that tells most
}

// resolved is the answer to one look-up.
type resolved struct {
	network string
	addrs   []netip.Addr
	err     error
}

// The families, in the order in which they begin.
const (
	familyIPv6 = iota
	familyIPv4
)

// dialName dials all addresses of a name.
func (d *Dialer) dialName(ctx context.Context, name string, port uint16, g *guard) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	r := &race{
		connect: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) { return d.connect(ctx, to, g) },
		failed:  d.failed, port: port, spare: d.spare,
		answers: make(chan resolved), attempts: make(chan *attempt), running: map[*attempt]bool{},
		seen: map[netip.AddrPort]bool{}, family: familyIPv4, delay: time.NewTimer(attemptDelay),
	}
	defer r.delay.Stop()
	for _, network := range networksOf(name) {
		r.ask(ctx, d.names, network, name)
	}
	won := r.run(ctx)
	timedOut := ctx.Err()
	cancel()
	r.end()
	switch {
	case won != nil:
		return won.conn, nil
	case r.err != nil:
		return nil, r.err
	case timedOut != nil:
		return nil, timedOut
	}
	return nil, &net.DNSError{Err: "no address", Name: name, IsNotFound: true}
}

// ask begins one look-up.
func (r *race) ask(ctx context.Context, n *names, network, name string) {
	r.unknown++
	go r.lookUp(ctx, n, network, name)
}

// lookUp is the goroutine of one look-up; run or end takes its answer.
func (r *race) lookUp(ctx context.Context, n *names, network, name string) {
	addrs, err := n.of(ctx, network, name)
	r.answers <- resolved{network, addrs, err}
}

// run returns the attempt that has connected; nil if none has. What it has begun ends
// with ctx.
func (r *race) run(ctx context.Context) *attempt {
	for {
		if !r.isHeld && ctx.Err() == nil {
			r.begin(ctx)
		}
		if r.unknown == 0 && len(r.running) == 0 && (!r.isHeld || ctx.Err() != nil) {
			return nil
		}
		select {
		case a := <-r.answers:
			r.take(a)
		case a := <-r.attempts:
			r.drop(a)
			if a.err == nil {
				r.learn(a)
				return a
			}
			r.lose(ctx, a)
			r.isHeld = false
		case <-r.delay.C:
			r.isHeld = false
		}
	}
}

// begin begins the next attempt, if there is an address for it.
func (r *race) begin(ctx context.Context) {
	if r.begun == maxAttempts || !r.hasNext() || !r.makeRoom() {
		return
	}
	to, _ := r.next()
	a := &attempt{to: to, since: time.Now()}
	ctx, a.cancel = context.WithCancel(ctx)
	r.begun++
	r.running[a] = true
	r.hold(attemptDelay)
	go r.dial(ctx, a)
}

// dial is the goroutine of one attempt; run or end takes it back.
func (r *race) dial(ctx context.Context, a *attempt) {
	defer a.cancel()
	a.conn, a.err = r.connect(ctx, a.to)
	r.attempts <- a
}

// hold lets nothing begin for a while.
func (r *race) hold(wait time.Duration) {
	r.isHeld = true
	r.delay.Reset(wait)
}

// hasNext reports whether an address waits.
func (r *race) hasNext() bool {
	return slices.ContainsFunc(r.queue[:], func(late [2][]netip.AddrPort) bool { return len(late[0])+len(late[1]) > 0 })
}

// next takes the next address: families in turn, and what has failed lately last.
func (r *race) next() (netip.AddrPort, bool) {
	for late := range r.queue {
		for range r.queue[late] {
			r.family = 1 - r.family
			if waiting := &r.queue[late][r.family]; len(*waiting) > 0 {
				to := (*waiting)[0]
				*waiting = (*waiting)[1:]
				return to, true
			}
		}
	}
	return netip.AddrPort{}, false
}

// take takes in an answer.
func (r *race) take(a resolved) {
	r.unknown--
	if a.err != nil {
		r.note(a.err)
	}
	for _, addr := range a.addrs {
		r.add(netip.AddrPortFrom(addr.Unmap(), r.port))
	}
	switch {
	case r.begun > 0:
	case r.unknown == 0, len(r.queue[0][familyIPv6]) > 0:
		r.isHeld = false
	case len(a.addrs) > 0: // better ones may follow
		r.hold(resolutionDelay)
	}
}

// add puts an address into the queue, unless it has been there.
func (r *race) add(to netip.AddrPort) {
	if r.seen[to] {
		return
	}
	r.seen[to] = true
	late, family := 0, familyIPv6
	if r.failed.has(to) {
		late = 1
	}
	if to.Addr().Is4() {
		family = familyIPv4
	}
	r.queue[late][family] = append(r.queue[late][family], to)
}

// lose takes in an attempt that has failed. A time-out of ours says something about an
// address only if it had some time.
func (r *race) lose(ctx context.Context, a *attempt) {
	if a.isOver && errors.Is(a.err, context.Canceled) {
		a.err = errNoAnswer
	}
	r.note(a.err)
	if !isClassified(a.err) && !lacksFiles(a.err) && (ctx.Err() == nil || isTimeout(a.err) && time.Since(a.since) >= attemptDelay) {
		r.failed.add(a.to)
	}
}

// learn remembers what an attempt that has won tells: about itself, and about those that
// had more time.
func (r *race) learn(won *attempt) {
	r.failed.forget(won.to)
	for a := range r.running {
		if a.since.Before(won.since) && time.Since(a.since) >= attemptDelay {
			r.failed.add(a.to)
		}
	}
}

// end waits for all that has not ended, and closes the connections of those who come too
// late.
func (r *race) end() {
	for r.unknown > 0 || len(r.running) > 0 {
		select {
		case <-r.answers:
			r.unknown--
		case a := <-r.attempts:
			r.drop(a)
			if a.conn != nil {
				_ = a.conn.Close()
			}
		}
	}
}

// note keeps an error if it tells more than the one before. That of an address that we
// refuse tells less than that of one that was allowed, and a family that this machine
// does not have less than an address that does not answer. Without files nothing works.
func (r *race) note(err error) {
	if r.err == nil || weight(err) > weight(r.err) {
		r.err = err
	}
}

func weight(err error) int {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case lacksFiles(err):
		return 5
	case isDNS && dns.IsNotFound:
		return 0
	case isDNS:
		return 1
	case isClassified(err):
		return 2
	case errors.Is(err, errNoRoute), errors.Is(err, errNoAddress):
		return 3
	}
	return 4
}
