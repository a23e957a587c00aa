package admission

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

func reasonOf(err error) record.Reason {
	if err == nil {
		return ""
	}
	var f *record.Failure
	if !errors.As(err, &f) {
		return record.ReasonInternal
	}
	return f.Reason
}

var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// A hall is an Admission with the connections that it has cut.
type hall struct {
	*Admission
	t *testing.T

	mu  sync.Mutex
	cut []string
}

func newHall(t *testing.T, most, mostPerClient int) *hall {
	return &hall{Admission: New(Config{Nets: everywhere, Max: most, MaxPerClient: mostPerClient}), t: t}
}

// enter asks for a place for an address, or for "name=address". What is cut is noted under
// that text.
func (h *hall) enter(who string) (*Place, error) {
	h.t.Helper()
	var c Client
	if name, addr, named := strings.Cut(who, "="); named {
		c.Name, who = name, addr
	}
	c.Addr = netip.MustParseAddr(who)
	label := cmp.Or(c.Name, who)
	return h.Enter(c, func(err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if reasonOf(err) != record.ReasonShed {
			h.t.Errorf("%s is cut because of %v", label, err)
		}
		h.cut = append(h.cut, label)
	})
}

// must is enter for a place that has to be free.
func (h *hall) must(who string) *Place {
	h.t.Helper()
	p, err := h.enter(who)
	if err != nil {
		h.t.Fatalf("%s gets no place: %v", who, err)
	}
	return p
}

func (h *hall) isEmpty() {
	h.t.Helper()
	if h.total != 0 || h.unnamed != 0 || len(h.groups) != 0 || len(h.crowd) != 0 || h.awaiting != 0 || len(h.awaited) != 0 {
		h.t.Errorf("%d places, %d unnamed, %d groups, %d in the crowd, %d awaited are left over",
			h.total, h.unnamed, len(h.groups), len(h.crowd), h.awaiting)
	}
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	h := newHall(t, 2, 1)
	h.cfg.Nets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}
	var places []*Place
	for _, step := range []struct {
		addr string
		want record.Reason
	}{
		{"192.0.2.1", record.ReasonClientNotAllowed},
		{"10.0.0.1", ""}, {"10.0.0.1", record.ReasonTooManyFromClient},
		{"fe80::1%eth0", ""},
		{"10.0.0.2", record.ReasonTooManyConnections},
	} {
		p, err := h.enter(step.addr)
		if got := reasonOf(err); got != step.want {
			t.Errorf("admitting %s: got %q, want %q", step.addr, got, step.want)
		}
		p.Settle()
		if p != nil {
			places = append(places, p)
		}
	}
	if _, err := h.Enter(Client{}, nil); reasonOf(err) != record.ReasonClientNotAllowed {
		t.Errorf("no address at all: %v", err)
	}
	places[0].Leave()
	places[0].Leave() // it may leave again
	places = append(places, h.must("10.0.0.2"))
	for _, p := range places {
		p.Leave()
	}
	h.isEmpty()
}

// The addresses of one host are one client, however many it takes.
func TestLimitsGoByGroup(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(i int) string{
		"IPv6":     func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i+1) },
		"loopback": func(i int) string { return fmt.Sprintf("127.0.%d.%d", i/250, i%250+1) },
		"mapped":   func(i int) string { return fmt.Sprintf("::ffff:127.0.0.%d", i%250+1) },
	} {
		h := newHall(t, 1000, 200)
		got := 0
		for i := range 60 * 200 {
			if _, err := h.enter(address(i % 60)); err == nil {
				got++
			}
		}
		if got != 200 {
			t.Errorf("%s: one host has got %d places, want 200", name, got)
		}
	}
	h := newHall(t, 1000, 1)
	h.cfg.GroupBits = 128
	h.must("2001:db8::1")
	h.must("2001:db8::2")
}

// When all places are taken, connections that have not got past their hello are cut: the
// oldest of the group that has the most.
func TestWaitingConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	h := newHall(t, 4, 4)
	settled := h.must("192.0.2.1")
	settled.Settle()
	h.must("192.0.2.2")
	for range 2 {
		h.must("192.0.2.3")
	}
	for _, newcomer := range []string{"192.0.2.4", "192.0.2.5", "192.0.2.6"} {
		h.must(newcomer).Settle()
	}
	if got, want := fmt.Sprint(h.cut), "[192.0.2.3 192.0.2.2 192.0.2.3]"; got != want {
		t.Errorf("%s were cut, want %s", got, want)
	}
	if _, err := h.enter("192.0.2.7"); reasonOf(err) != record.ReasonTooManyConnections {
		t.Errorf("with everybody at work: %v", err)
	}
}

// A group above its share gives way to a client that has less, though all its connections
// have got past their hello; and only down to its share.
func TestGroupsAboveTheirShareMakeRoom(t *testing.T) {
	t.Parallel()
	h := newHall(t, 12, 12)
	for i := range 12 {
		h.must(fmt.Sprintf("2001:db8::%x", i+1)).Settle()
	}
	for range 100 {
		if p, err := h.enter("192.0.2.1"); err == nil {
			p.Settle()
		}
	}
	for range 100 {
		if p, err := h.enter("192.0.2.2"); err == nil {
			p.Settle()
		}
	}
	for key, g := range h.groups {
		if g.size() < 3 || g.size() > 5 {
			t.Errorf("%s has %d of 12 places", key.addrs, g.size())
		}
	}
	if _, err := h.enter("2001:db8::99"); reasonOf(err) != record.ReasonTooManyConnections {
		t.Errorf("who had the most gets more: %v", err)
	}
}

// Clients with a name have places of their own, and never give way.
func TestNamedClientsNeverGiveWay(t *testing.T) {
	t.Parallel()
	h := newHall(t, 100, 100)
	h.Reserve(2)
	h.must("scanner=2001:db8::1") // silent, and the oldest of all
	for i := range 100 {
		if p, err := h.enter(fmt.Sprintf("10.0.0.%d", i+1)); err == nil {
			p.Settle()
		}
	}
	if h.unnamed != 90 {
		t.Errorf("clients without a name have %d of 100 places", h.unnamed)
	}
	for range 9 {
		h.must("printer=2001:db8::2").Settle()
	}
	if len(h.cut) != 0 {
		t.Errorf("%v were cut", h.cut)
	}
	// All places are taken. Nobody is silent but the scanner.
	if _, err := h.enter("10.1.0.1"); reasonOf(err) != record.ReasonTooManyConnections {
		t.Errorf("a newcomer: %v", err)
	}
	if len(h.cut) != 0 {
		t.Errorf("%v were cut", h.cut)
	}
	// Who comes from the same network as a named client does not use up its limit.
	h = newHall(t, 100, 2)
	h.must("2001:db8::66")
	h.must("2001:db8::67")
	h.must("printer=2001:db8::2")
}

// Connections of balancers wait for their header under a bound of their own, and clients
// have all their places meanwhile.
func TestAwaitedHeaders(t *testing.T) {
	t.Parallel()
	h := newHall(t, 4, 4)
	cut := 0
	var awaited []*Place
	for range MaxAwaited(4) + 3 {
		awaited = append(awaited, h.Await(netip.MustParseAddr("10.0.0.5"), func(error) { cut++ }))
	}
	if cut != 3 || h.awaiting != MaxAwaited(4) {
		t.Errorf("%d were cut, %d are awaited", cut, h.awaiting)
	}
	for i := range 4 {
		h.must(fmt.Sprintf("192.0.2.%d", i+1)).Leave()
	}
	for _, p := range awaited {
		p.Settle()
		p.Leave()
	}
	h.isEmpty()
}

// A balancer that sends no headers, whatever addresses of its network it has, gives way to
// others and not they to it.
func TestAwaitedHeadersOfOneBalancer(t *testing.T) {
	t.Parallel()
	h := newHall(t, 4, 4)
	var cut []string
	await := func(from string) {
		h.Await(netip.MustParseAddr(from), func(error) { cut = append(cut, from) })
	}
	await("10.0.0.5")
	await("2001:db8:2::5")
	for i := range MaxAwaited(4) {
		await(fmt.Sprintf("2001:db8:1::%x", i+1))
	}
	for range 3 {
		await("10.0.0.5")
	}
	if got, want := fmt.Sprint(cut), "[2001:db8:1::1 2001:db8:1::2 2001:db8:1::3 2001:db8:1::4 2001:db8:1::5]"; got != want {
		t.Errorf("%s were cut, want %s", got, want)
	}
}

func TestAdmissionUnderConcurrency(t *testing.T) {
	t.Parallel()
	h := newHall(t, 10, 5)
	h.Reserve(1)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			who := netip.AddrFrom4([4]byte{10, 0, 0, byte(i / 2)}).String()
			if i%5 == 0 {
				who = "named=" + who
			}
			for n := range 200 {
				if n%3 == 0 {
					h.Await(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}), func(error) {}).Leave()
				}
				p, err := h.enter(who)
				if n%2 == 0 {
					p.Settle()
				}
				if err == nil {
					p.Leave()
				}
			}
		})
	}
	wg.Wait()
	h.isEmpty()
}

// Making room costs little, however many groups there are.
func BenchmarkEnterWhenFull(b *testing.B) {
	a := New(Config{Nets: everywhere, Max: 10000, MaxPerClient: 200})
	var addr [4]byte
	for i := range b.N {
		binary.BigEndian.PutUint32(addr[:], uint32(i)|1<<31)
		_, _ = a.Enter(Client{Addr: netip.AddrFrom4(addr)}, func(error) {})
	}
}

// Other limits are in force for newcomers; who has a place keeps it.
func TestSet(t *testing.T) {
	t.Parallel()
	before, after := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	a := New(Config{Nets: before, Max: 3, MaxPerClient: 1})
	enter := func(addr string) record.Reason {
		_, err := a.Enter(Client{Addr: netip.MustParseAddr(addr)}, func(error) { t.Errorf("%s makes another one leave", addr) })
		return reasonOf(err)
	}
	steps := []struct {
		addr string
		want record.Reason
	}{
		{"10.0.0.1", ""}, {"192.0.2.1", record.ReasonClientNotAllowed}, {"10.0.0.1", record.ReasonTooManyFromClient},
		{"10.0.0.2", record.ReasonClientNotAllowed}, {"192.0.2.1", ""}, {"192.0.2.1", ""},
	}
	for i, step := range steps {
		if i == len(steps)/2 {
			a.Set(after, 2)
		}
		if got := enter(step.addr); got != step.want {
			t.Errorf("%d: %s: got %q, want %q", i, step.addr, got, step.want)
		}
	}
}

// Headers that are awaited never take the room of connections with a place: where all have
// come that may, a newcomer still finds its turn, and somebody makes room for it.
func TestAwaitedHeadersLeaveRoom(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 16, 100, 1000, 10000} {
		for _, balanced := range []bool{false, true} { // false: a load balancer was added by a reload
			a := New(Config{Max: most, MaxPerClient: most, Balanced: balanced})
			for i := range 2 * MaxAwaited(most) {
				a.Await(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), func(error) {})
			}
			if room := cap(a.open) - a.awaiting; a.awaiting == 0 || room < most+MaxLeaving(most)+passing/2 {
				t.Errorf("%d places, balanced: %v: with %d headers awaited there is room for %d connections", most, balanced, a.awaiting, room)
			}
		}
	}
}
