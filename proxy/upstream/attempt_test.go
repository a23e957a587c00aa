package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A gauge counts the attempts that run at the same time.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.most = max(g.most, g.now)
}

// measure returns a gauge of the attempts of a dialer.
func measure(d *Dialer) *gauge {
	g := &gauge{}
	inner := d.connect
	d.connect = func(ctx context.Context, to netip.AddrPort, check *guard) (net.Conn, error) {
		g.add(1)
		defer g.add(-1)
		return inner(ctx, to, check)
	}
	return g
}

// dead returns so many addresses that do not answer.
func dead(n int) (addrs []string) {
	for i := range n {
		addrs = append(addrs, fmt.Sprintf("192.0.66.%d", i+1))
	}
	return addrs
}

// dialAll dials a name with so many clients at the same time, and returns how long the
// last one has taken, and the errors.
func dialAll(d *Dialer, clients int) (took time.Duration, errs []error) {
	start := time.Now()
	errs = make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			conn, err := d.Dial(ctx, "many.example", 443)
			if errs[i] = err; err == nil {
				_ = conn.Close()
			}
		})
	}
	all.Wait()
	return time.Since(start), errs
}

// Attempts beside the first one of each Dial are few in all: the files that they have open
// are counted with no connection, and a network that does not answer must not use up those
// of everything else. Every address is tried nevertheless.
func TestRaceTakesFewFiles(t *testing.T) {
	t.Parallel()
	const last = "192.0.66.200"
	for _, tc := range []struct {
		name    string
		clients int
		addrs   []string
		most    int
		within  time.Duration
		answers bool
	}{
		{"one client, addresses that are dead", 1, append(dead(16), last), atOnce, 5 * time.Second, true},
		{"one client, nothing but dead addresses", 1, dead(maxAttempts), atOnce, 30 * time.Second, false},
		{"many clients, addresses that are dead", 200, append(dead(8), last), 200 + maxSpare, 12 * time.Second, true},
		{"many clients, nothing but dead addresses", 200, dead(maxAttempts), 200 + maxSpare, 30 * time.Second, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeNet{answers: map[string]fakeAnswer{"ip4": {addrs: tc.addrs}}, connects: map[string]time.Duration{last: 20 * time.Millisecond}}
				d := f.dialer(t)
				g := measure(d)
				took, errs := dialAll(d, tc.clients)
				if g.most > tc.most {
					t.Errorf("%d attempts ran at the same time, want at most %d", g.most, tc.most)
				}
				if took > tc.within {
					t.Errorf("the last client has waited %v, want at most %v", took, tc.within)
				}
				for _, err := range errs {
					if (err == nil) != tc.answers {
						t.Fatalf("got %v, want a connection: %v", err, tc.answers)
					}
					if err != nil && Failure(err).Reason != record.ReasonUpstreamTimeout {
						t.Fatalf("got %s: %v", Failure(err).Reason, err)
					}
				}
				if g.now != 0 || len(d.spare) != 0 {
					t.Errorf("%d attempts and %d of the spare ones are left", g.now, len(d.spare))
				}
			})
		})
	}
}
