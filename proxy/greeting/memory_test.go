package greeting

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const full = 200 * time.Millisecond

func keyOf(i int) Key {
	return Key{Client: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Listener: "smtp://:587"}
}

// silent makes a client known.
func silent(h Habit) {
	for range Trials + 10 {
		h.WasSilent()
	}
}

// tried makes a client one whose next silent session shortens its wait.
func tried(h Habit) {
	for range Trials {
		h.WasSilent()
	}
}

// After the trials, each silent session halves the wait, whatever the whole one is.
func TestWaitFollowsSilence(t *testing.T) {
	t.Parallel()
	h := New().Of(keyOf(1))
	for i := range Trials {
		if got := h.Wait(full); got != full {
			t.Errorf("after %d silent sessions, waits for %v", i, got)
		}
		h.WasSilent()
	}
	for i, want := range []time.Duration{full, full / 2, full / 4, full / 8, full / 16, full / 32, Least, Least, Least} {
		if got := h.Wait(full); got != want {
			t.Errorf("after %d silent sessions and the trials, waits for %v, want %v", i, got, want)
		}
		h.WasSilent()
	}
	for range 100 {
		h.WasSilent()
	}
	for full, want := range map[time.Duration]time.Duration{30 * time.Second: Least, Least: Least, time.Nanosecond: time.Nanosecond, 0: 0} {
		if got := h.Wait(full); got != want {
			t.Errorf("waits for %v of %v, want %v", got, full, want)
		}
	}
}

// One session that was not silent counts more than all that were, before and after it, and
// for long. What is learnt of silent ones ends soon.
func TestMemoryEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := New()
		quiet, mixed, gone := m.Of(keyOf(1)), m.Of(keyOf(2)), m.Of(keyOf(3))
		silent(quiet)
		silent(mixed)
		mixed.Spoke()
		silent(mixed)
		silent(gone)
		gone.Left()
		check := func(when string, want map[Habit]time.Duration) {
			t.Helper()
			for h, wait := range want {
				if got := h.Wait(full); got != wait {
					t.Errorf("%s: %v is waited for for %v, want %v", when, h.key.Client, got, wait)
				}
			}
		}
		check("at first", map[Habit]time.Duration{quiet: Least, mixed: full, gone: full})
		time.Sleep(Age - time.Second)
		check("before its age", map[Habit]time.Duration{quiet: Least, mixed: full})
		time.Sleep(time.Second)
		check("at its age", map[Habit]time.Duration{quiet: full})
		tried(quiet)
		check("later", map[Habit]time.Duration{quiet: full})
		quiet.WasSilent()
		check("later", map[Habit]time.Duration{quiet: full / 2})
		time.Sleep(SpokeAge - Age - time.Second)
		silent(mixed)
		check("before its age", map[Habit]time.Duration{mixed: full})
		time.Sleep(time.Second)
		silent(mixed)
		check("after a long time without TLS first", map[Habit]time.Duration{mixed: Least})
	})
}

// What is known of a client is that of its address, its listener and the port that it was
// going to.
func TestOthersAreWaitedFor(t *testing.T) {
	t.Parallel()
	m, key := New(), keyOf(1)
	silent(m.Of(key))
	for name, other := range map[string]Key{
		"address":  {keyOf(2).Client, key.Listener, key.Port},
		"network":  {key.Client.Next(), key.Listener, key.Port},
		"listener": {key.Client, "smtp://:25", key.Port},
		"port":     {key.Client, key.Listener, 25},
	} {
		if got := m.Of(other).Wait(full); got != full {
			t.Errorf("another %s is waited for for %v", name, got)
		}
		m.Of(other).Spoke()
	}
	if got := m.Of(key).Wait(full); got != Least {
		t.Errorf("what others have said makes a client be waited for for %v", got)
	}
	var nobody Habit
	silent(nobody)
	nobody.Spoke()
	nobody.Left()
	if got := nobody.Wait(full); got != full {
		t.Errorf("a client of whom nothing is learnt is waited for for %v", got)
	}
}

// A full memory forgets first what can be learnt again, and grows no more.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := New()
	for i := range maxClients / 4 {
		m.Of(keyOf(i)).Spoke()
	}
	for i := range 3 * maxClients {
		m.Of(keyOf(maxClients + i)).WasSilent()
	}
	if len(m.clients) > maxClients {
		t.Errorf("%d clients are remembered", len(m.clients))
	}
	for i := range maxClients / 16 {
		silent(m.Of(keyOf(i)))
		if got := m.Of(keyOf(i)).Wait(full); got != full {
			t.Fatalf("a client that began with TLS is forgotten for silent ones, and waited for for %v", got)
		}
	}
	for i := range 3 * maxClients {
		m.Of(keyOf(i)).Spoke()
	}
	if n := len(m.clients); n > maxClients || n < maxClients/2 {
		t.Errorf("%d clients are remembered that all began with TLS", n)
	}
	last := m.Of(keyOf(3*maxClients - 1))
	silent(last)
	if got := last.Wait(full); got != full {
		t.Errorf("the newest one is forgotten, and waited for for %v", got)
	}
}

// A host with any number of addresses or ports does not make others forgotten.
func TestOneHostHasAShare(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(i int) Key{
		"addresses of a network": func(i int) Key {
			a := netip.MustParseAddr("2001:db8::").As16()
			a[13], a[14], a[15] = byte(i>>16), byte(i>>8), byte(i)
			return Key{Client: netip.AddrFrom16(a), Listener: "smtp://:587"}
		},
		"ports": func(i int) Key {
			return Key{netip.MustParseAddr("192.0.2.1"), fmt.Sprint("transparent ", i>>16), uint16(i)}
		},
		"addresses of loopback": func(i int) Key {
			return Key{Client: netip.AddrFrom4([4]byte{127, byte(i >> 16), byte(i >> 8), byte(i)}), Listener: "smtp://:587"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New()
			for i := range 300 {
				m.Of(keyOf(i)).Spoke()
			}
			for i := range 2 * maxClients {
				m.Of(of(i)).Spoke()
			}
			for i := range 300 {
				silent(m.Of(keyOf(i)))
				if got := m.Of(keyOf(i)).Wait(full); got != full {
					t.Fatalf("a client that began with TLS is forgotten, and waited for for %v", got)
				}
			}
		})
	}
}

// A host with many addresses keeps its share when others need the room.
func TestHostKeepsItsShare(t *testing.T) {
	t.Parallel()
	m := New()
	for i := range maxClients/2 + 2 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		m.Of(Key{Client: a, Listener: "smtp://:587"}).Spoke()
	}
	for i := range maxClients/2 - 1 { // the last one finds no room
		a := netip.AddrFrom4([4]byte{127, byte(i >> 16), byte(i >> 8), byte(i)})
		m.Of(Key{Client: a, Listener: "smtp://:587"}).Spoke()
	}
	kept := 0
	for k := range m.clients {
		if k.Client.IsLoopback() {
			kept++
		}
	}
	// Of what is left of each, some are forgotten at random.
	if kept < shareOfGroup/8 || kept > shareOfGroup+1 {
		t.Errorf("%d of %d addresses of one host are kept", kept, maxClients/2-1)
	}
}

// A client that ended without a word is not remembered for that.
func TestLeftAddsNobody(t *testing.T) {
	t.Parallel()
	m := New()
	for i := range 10 {
		m.Of(keyOf(i)).Left()
	}
	if len(m.clients) != 0 {
		t.Errorf("remembers %d clients", len(m.clients))
	}
}

func TestConcurrentSessions(t *testing.T) {
	t.Parallel()
	m := New()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 1000 {
				h := m.Of(Key{Listener: fmt.Sprint(n % (i + 1))})
				h.WasSilent()
				h.Wait(full)
				h.Left()
				h.Spoke()
			}
		})
	}
	all.Wait()
}
