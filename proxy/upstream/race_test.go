package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A fakeNet is names and addresses in the time of a synctest bubble.
type fakeNet struct {
	// answers are those of the name server, by network.
	answers map[string]fakeAnswer
	// connects says how long an address takes to connect; one that is not there never
	// answers, and one that is negative refuses after that time.
	connects map[string]time.Duration

	mu      sync.Mutex
	start   time.Time
	dialled []string // with the time since start
	open    map[string]int
}

// A fakeAnswer is what a name server says after some time.
type fakeAnswer struct {
	after time.Duration // negative means never
	addrs []string
	err   error
}

// noSuchName is the answer of a name server that has none.
var noSuchName = fakeAnswer{err: &net.DNSError{Err: "no such host", IsNotFound: true}}

func (f *fakeNet) dialer(t *testing.T) *Dialer {
	t.Helper()
	f.start, f.open = time.Now(), map[string]int{}
	d := newDialer(t, Config{})
	d.names.lookup, d.connect = f.lookup, f.connect
	return d
}

func (f *fakeNet) lookup(ctx context.Context, network, _ string) ([]netip.Addr, error) {
	f.mu.Lock()
	a, known := f.answers[network]
	f.mu.Unlock()
	if !known {
		a = noSuchName
	}
	if err := f.wait(ctx, a.after); err != nil {
		return nil, &net.DNSError{Err: err.Error(), IsTimeout: true, UnwrapErr: err}
	}
	var addrs []netip.Addr
	for _, addr := range a.addrs {
		addrs = append(addrs, netip.MustParseAddr(addr))
	}
	return addrs, a.err
}

// wait waits for some time, or for the end of ctx; negative means for ever.
func (f *fakeNet) wait(ctx context.Context, d time.Duration) error {
	var due <-chan time.Time
	if d >= 0 {
		due = time.After(d)
	}
	select {
	case <-due:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fakeNet) connect(ctx context.Context, to netip.AddrPort, g *guard) (net.Conn, error) {
	if err := g.check(to); err != nil {
		return nil, err
	}
	addr := to.Addr().String()
	f.mu.Lock()
	f.dialled = append(f.dialled, fmt.Sprintf("%v %s", time.Since(f.start).Round(time.Millisecond), addr))
	takes, known := f.connects[addr]
	f.mu.Unlock()
	if !known {
		takes = -1
	}
	refuses := known && takes < 0
	if refuses {
		takes = -takes
	}
	if err := f.wait(ctx, takes); err != nil {
		return nil, &net.OpError{Op: "dial", Err: err}
	}
	if refuses {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	f.count(addr, 1)
	return &fakeConn{addr: addr, net: f}, nil
}

func (f *fakeNet) count(addr string, by int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[addr] += by
}

// A fakeConn is a connection to an address.
type fakeConn struct {
	net.Conn
	addr string
	net  *fakeNet
}

func (c *fakeConn) Close() error {
	c.net.count(c.addr, -1)
	return nil
}

// dial dials host:443 within 15 seconds. It returns which address has connected, and
// after what time.
func (f *fakeNet) dial(t *testing.T, d *Dialer) (string, time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	f.start, f.dialled = time.Now(), nil
	conn, err := d.Dial(ctx, host, 443)
	took := time.Since(f.start).Round(time.Millisecond)
	if err != nil {
		return "", took, err
	}
	addr := conn.(*fakeConn).addr
	for other, open := range f.open {
		if want := map[bool]int{true: 1}[other == addr]; open != want {
			t.Errorf("%d connections to %s are open, want %d", open, other, want)
		}
	}
	_ = conn.Close()
	return addr, took, nil
}

const (
	four1, four2, four3 = "203.1.1.1", "203.1.1.2", "203.1.1.3"
	six1, six2          = "2620::1", "2620::2"
)

func in(after time.Duration, addrs ...string) fakeAnswer {
	return fakeAnswer{after: after, addrs: addrs}
}

// Addresses are dialled one after the other, families in turn, until one connects.
func TestRace(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, tt := range map[string]struct {
		six, four fakeAnswer
		connects  map[string]time.Duration
		want      string // address and time
		dialled   string
	}{
		"one address": {noSuchName, in(0, four1), map[string]time.Duration{four1: ms}, four1 + " 1ms", "0s 203.1.1.1"},
		"first black-holed": {
			noSuchName, in(0, four1, four2), map[string]time.Duration{four2: ms}, four2 + " 251ms", "0s 203.1.1.1, 250ms 203.1.1.2",
		},
		"all but the last black-holed": {
			noSuchName, in(0, four1, four2, four3), map[string]time.Duration{four3: ms}, four3 + " 501ms",
			"0s 203.1.1.1, 250ms 203.1.1.2, 500ms 203.1.1.3",
		},
		"first refuses": {
			noSuchName, in(0, four1, four2), map[string]time.Duration{four1: -10 * ms, four2: ms}, four2 + " 11ms",
			"0s 203.1.1.1, 10ms 203.1.1.2",
		},
		"families in turn": {
			in(0, six1, six2), in(0, four1, four2), map[string]time.Duration{four2: ms}, four2 + " 751ms",
			"0s 2620::1, 250ms 203.1.1.1, 500ms 2620::2, 750ms 203.1.1.2",
		},
		"IPv6 black-holed": {
			in(0, six1), in(0, four1), map[string]time.Duration{four1: ms}, four1 + " 251ms", "0s 2620::1, 250ms 203.1.1.1",
		},
		"slow, but first": {
			noSuchName, in(0, four1, four2), map[string]time.Duration{four1: 400 * ms, four2: 600 * ms}, four1 + " 400ms",
			"0s 203.1.1.1, 250ms 203.1.1.2",
		},
		"both at the same time": {
			noSuchName, in(0, four1, four2), map[string]time.Duration{four1: 300 * ms, four2: 50 * ms}, "", "0s 203.1.1.1, 250ms 203.1.1.2",
		},
		"AAAA never answers": {
			fakeAnswer{after: -1}, in(0, four1), map[string]time.Duration{four1: ms}, four1 + " 51ms", "50ms 203.1.1.1",
		},
		"A never answers": {
			in(0, six1), fakeAnswer{after: -1}, map[string]time.Duration{six1: ms}, six1 + " 1ms", "0s 2620::1",
		},
		"AAAA a little later": {
			in(30*ms, six1), in(0, four1), map[string]time.Duration{four1: ms, six1: ms}, six1 + " 31ms", "30ms 2620::1",
		},
		"AAAA too late": {
			in(100*ms, six1), in(0, four1), map[string]time.Duration{six1: ms}, six1 + " 301ms", "50ms 203.1.1.1, 300ms 2620::1",
		},
		"A fails, AAAA late": {
			in(2*time.Second, six1), in(0, four1), map[string]time.Duration{four1: -ms, six1: ms}, six1 + " 2.001s",
			"50ms 203.1.1.1, 2s 2620::1",
		},
		"forbidden ones are not dialled": {
			in(0, "fd00::1"), in(0, "10.0.0.1", "127.0.0.1", four1), map[string]time.Duration{"10.0.0.1": ms, "127.0.0.1": ms, four1: ms},
			four1 + " 1ms", "0s 203.1.1.1",
		},
		"an address twice": {
			noSuchName, in(0, four1, four1, four2), map[string]time.Duration{four2: ms}, four2 + " 251ms",
			"0s 203.1.1.1, 250ms 203.1.1.2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeNet{answers: map[string]fakeAnswer{networkIPv6: tt.six, networkIPv4: tt.four}, connects: tt.connects}
				addr, took, err := f.dial(t, f.dialer(t))
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprint(addr, " ", took); tt.want != "" && got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if got := strings.Join(f.dialled, ", "); got != tt.dialled {
					t.Errorf("dialled %s, want %s", got, tt.dialled)
				}
			})
		})
	}
}

// The error is the one that tells most, and comes as soon as nothing is left to try.
func TestRaceFails(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	broken := fakeAnswer{err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}
	for name, tt := range map[string]struct {
		six, four fakeAnswer
		connects  map[string]time.Duration
		want      record.Reason
		took      time.Duration
	}{
		"no such name":      {noSuchName, noSuchName, nil, record.ReasonNameNotFound, 0},
		"name server fails": {broken, broken, nil, record.ReasonDNSFailed, 0},
		"one kind fails":    {broken, noSuchName, nil, record.ReasonDNSFailed, 0},
		"no answer":         {fakeAnswer{after: -1}, fakeAnswer{after: -1}, nil, record.ReasonDNSFailed, 15 * time.Second},
		"all refuse": {
			in(0, six1), in(0, four1), map[string]time.Duration{six1: -ms, four1: -ms}, record.ReasonUpstreamRefused, 2 * ms,
		},
		"no answer from any":         {in(0, six1), in(0, four1), nil, record.ReasonUpstreamTimeout, 15 * time.Second},
		"one forbidden, no answer":   {in(0, "::1"), in(0, four1), nil, record.ReasonUpstreamTimeout, 15 * time.Second},
		"all forbidden":              {in(0, "::1"), in(0, "127.0.0.1"), nil, record.ReasonAddressForbidden, 0},
		"forbidden, and DNS failing": {broken, in(0, "127.0.0.1"), nil, record.ReasonAddressForbidden, 0},
		"refuses, and DNS failing":   {broken, in(0, four1), map[string]time.Duration{four1: -ms}, record.ReasonUpstreamRefused, ms},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeNet{answers: map[string]fakeAnswer{networkIPv6: tt.six, networkIPv4: tt.four}, connects: tt.connects}
				_, took, err := f.dial(t, f.dialer(t))
				wantReason(t, err, tt.want)
				if took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// A client that goes away ends the race, and nothing stays open.
func TestRaceCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeNet{answers: map[string]fakeAnswer{networkIPv4: in(0, four1, four2), networkIPv6: {after: -1}}}
		d := f.dialer(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := d.Dial(ctx, host, 443)
			ended <- err
		}()
		time.Sleep(time.Second)
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("got %v", err)
		}
		if d.failed.has(netip.MustParseAddrPort(four1 + ":443")) {
			t.Error("the end of a client counts against an address")
		}
	})
}

// An address that fails, or is slower than a later one, is dialled last for some
// minutes, and first again after that.
func TestFailedAddressesComeLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeNet{
			answers:  map[string]fakeAnswer{networkIPv4: in(0, four1, four2), networkIPv6: in(0, six1)},
			connects: map[string]time.Duration{four1: -time.Millisecond, four2: time.Millisecond},
		}
		d := f.dialer(t)
		dialled := func(want ...string) {
			t.Helper()
			if _, _, err := f.dial(t, d); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(f.dialled, want) {
				t.Errorf("dialled %q, want %q", f.dialled, want)
			}
		}
		dialled("0s "+six1, "250ms "+four1, "251ms "+four2)
		dialled("0s " + four2)
		time.Sleep(failedFor - time.Second)
		dialled("0s " + four2)
		time.Sleep(time.Second)
		dialled("0s "+six1, "250ms "+four1, "251ms "+four2)

		// One that works again is not last any more.
		f.connects = map[string]time.Duration{six1: time.Millisecond, four2: -time.Millisecond}
		dialled("0s "+four2, "1ms "+six1)
		dialled("0s " + six1)
	})
}

// That there are no more files is no failure of an address, and tells more than one.
func TestRaceWithoutFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeNet{
			answers:  map[string]fakeAnswer{networkIPv4: in(0, four1, four2)},
			connects: map[string]time.Duration{four1: -time.Millisecond, four2: -time.Millisecond},
		}
		d := f.dialer(t)
		d.connect = func(ctx context.Context, to netip.AddrPort, g *guard) (net.Conn, error) {
			if to.Addr().String() == four1 {
				return nil, &net.OpError{Op: "dial", Err: syscall.EMFILE}
			}
			return f.connect(ctx, to, g)
		}
		_, _, err := f.dial(t, d)
		wantReason(t, err, record.ReasonTooManyOpenFiles)
		for addr, want := range map[string]bool{four1: false, four2: true} {
			if got := d.failed.has(netip.MustParseAddrPort(addr + ":443")); got != want {
				t.Errorf("%s has failed: %v, want %v", addr, got, want)
			}
		}
	})
}

// The memory of failures is bounded, and forgets what is old first.
func TestFailuresAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		address := func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)}), 443)
		}
		for i := range maxFailed - 1 {
			f.add(address(i))
		}
		time.Sleep(failedFor)
		for i := range maxFailed {
			f.add(address(maxFailed + i))
			if len(f.at) > maxFailed {
				t.Fatalf("%d are remembered", len(f.at))
			}
		}
		for i := range maxFailed {
			if !f.has(address(maxFailed + i)) {
				t.Fatalf("failure %d was forgotten for an old one", i)
			}
		}
		f.add(address(0))
		if len(f.at) != maxFailed || !f.has(address(0)) {
			t.Errorf("%d are remembered", len(f.at))
		}
	})
}

// The addresses of both families are found, whichever does not answer.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		six, four fakeAnswer
		want      []string
	}{
		"both":            {in(0, six1), in(0, four1), []string{six1, four1}},
		"IPv4":            {noSuchName, in(0, four1), []string{four1}},
		"AAAA is silent":  {fakeAnswer{after: -1}, in(0, four1), []string{four1}},
		"neither answers": {fakeAnswer{after: -1}, fakeAnswer{after: -1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeNet{answers: map[string]fakeAnswer{networkIPv6: tt.six, networkIPv4: tt.four}}
				d := f.dialer(t)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				addrs, err := d.Addresses(ctx, host, 443)
				var got []string
				for _, a := range addrs {
					got = append(got, a.String())
				}
				if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
					t.Errorf("got %q, %v, want %q", got, err, tt.want)
				}
			})
		})
	}
}

// Names that are written in /etc/hosts with one family only are found for both.
func TestOtherKind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := fakeAnswer{err: &net.AddrError{Err: "no suitable address found", Addr: host}}
		f := &fakeNet{
			answers:  map[string]fakeAnswer{networkIPv6: other, networkIPv4: other, networkBoth: in(0, "::ffff:"+four1)},
			connects: map[string]time.Duration{four1: time.Millisecond},
		}
		if addr, _, err := f.dial(t, f.dialer(t)); addr != four1 || !slices.Equal(f.dialled, []string{"0s " + four1}) {
			t.Errorf("got %s, %v; dialled %q", addr, err, f.dialled)
		}
	})
}
