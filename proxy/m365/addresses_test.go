package m365

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
)

// Of several names at one address the best known counts; answers are kept for a
// while, and asked for again when an address is not among them.
func TestNameOfAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		own, err := policy.ParseEndpoint("mail.example.com:587")
		if err != nil {
			t.Fatal(err)
		}
		allowed, err := New(Worldwide, []policy.Endpoint{own})
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]string{"outlook.office365.com": "192.0.2.1", "smtp.office365.com": "192.0.2.1", "mail.example.com": "192.0.2.2"}
		asked := map[string]int{}
		mu := make(chan struct{}, 1)
		a := NewAddresses(func(_ context.Context, host string, port uint16) ([]netip.Addr, error) {
			mu <- struct{}{}
			defer func() { <-mu }()
			asked[host]++
			if known[host] == "" || port != 587 {
				return nil, errors.New("no such host")
			}
			// A socket of both families gives IPv4 addresses so.
			return []netip.Addr{netip.MustParseAddr("::ffff:" + known[host])}, nil
		})
		expect := func(addr, want string, lookups int) {
			t.Helper()
			if got := a.NameOf(t.Context(), allowed, netip.MustParseAddrPort(addr)); got != want {
				t.Errorf("%s is %q, want %q", addr, got, want)
			}
			synctest.Wait() // a known name does not wait for its look-up
			if got := asked["mail.example.com"]; got != lookups {
				t.Errorf("%s: looked up %d times, want %d", addr, got, lookups)
			}
		}
		expect("192.0.2.1:587", "smtp.office365.com", 1)
		expect("192.0.2.2:587", "mail.example.com", 1)
		expect("192.0.2.3:587", "", 1) // the answers are fresh
		expect("192.0.2.2:4711", "", 1)
		known["mail.example.com"] = "192.0.2.3"
		time.Sleep(addressesStale)
		expect("192.0.2.2:587", "mail.example.com", 1)
		expect("192.0.2.3:587", "mail.example.com", 2)
		time.Sleep(addressesFresh)
		expect("192.0.2.1:587", "smtp.office365.com", 3)
		if allowed, err = New(Worldwide, nil); err != nil {
			t.Fatal(err)
		}
		expect("192.0.2.3:587", "", 3) // the operator's name is not allowed any more
	})
}

// A name server that stalls does not stall clients whose addresses are known, and
// names that cannot be looked up keep their addresses. Others wait for the one
// look-up, and not longer than their connection lasts.
func TestStalledNameServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		allowed, err := New(Worldwide, nil)
		if err != nil {
			t.Fatal(err)
		}
		var stalls atomic.Bool
		var asked atomic.Int32
		a := NewAddresses(func(ctx context.Context, host string, _ uint16) ([]netip.Addr, error) {
			if host == "smtp.office365.com" {
				asked.Add(1)
			}
			if stalls.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		})
		defer a.Close()
		known, unknown := netip.MustParseAddrPort("192.0.2.1:587"), netip.MustParseAddrPort("192.0.2.9:587")
		expect := func(ctx context.Context, addr netip.AddrPort, want string, took time.Duration) {
			t.Helper()
			start := time.Now()
			if got := a.NameOf(ctx, allowed, addr); got != want || time.Since(start) != took {
				t.Errorf("%s is %q after %s, want %q after %s", addr, got, time.Since(start), want, took)
			}
		}
		expect(t.Context(), known, "smtp.office365.com", 0)
		stalls.Store(true)
		time.Sleep(addressesStale)
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() { expect(t.Context(), unknown, "", lookupTimeout) })
		}
		synctest.Wait()
		expect(t.Context(), known, "smtp.office365.com", 0)
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		expect(brief, unknown, "", time.Second)
		waiting.Wait()
		if asked.Load() != 2 {
			t.Errorf("there were %d look-ups, want 2", asked.Load())
		}
		// Long after the look-up is due, the name still counts, and nobody waits.
		time.Sleep(2 * addressesFresh)
		for range 3 {
			expect(t.Context(), known, "smtp.office365.com", 0)
		}
	})
}
