package greeting

import (
	"net/netip"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	// Trials is how many silent sessions there are before one shortens the wait.
	Trials = 8
	// Least is the shortest wait.
	Least = 5 * time.Millisecond
	// Age is how long silent sessions count after the last one.
	Age = 4 * time.Hour
	// SpokeAge is how long a client is waited for in full after it was not silent.
	SpokeAge = 35 * 24 * time.Hour

	// maxClients bounds how many are remembered.
	maxClients = 16 << 10
	// shareOfGroup is how many of these the addresses of one host have for themselves (netname.Group).
	shareOfGroup = 128
	// maxSilent is enough for the longest wait that a listener may have.
	maxSilent = Trials + 16
)

// A Key identifies a client at a listener. The address is not widened to that of a network:
// devices of both kinds would be in it.
type Key struct {
	Client   netip.Addr
	Listener string
	Port     uint16 // of the original destination of a redirected client; 0 for others
}

// group returns the addresses that one host may have.
func (k Key) group() netip.Prefix { return netname.Group(k.Client, netname.DefaultGroupBits) }

// An entry is what is known of a client.
type entry struct {
	silent uint8     // sessions that were, one after the other
	last   time.Time // of these
	spoke  time.Time // when it was not silent; zero if it always was
}

// spokeLately reports whether the client was not silent lately.
func (e entry) spokeLately(now time.Time) bool {
	return !e.spoke.IsZero() && now.Sub(e.spoke) < SpokeAge
}

// count returns how many silent sessions count.
func (e entry) count(now time.Time) uint8 {
	if now.Sub(e.last) >= Age || e.spokeLately(now) {
		return 0
	}
	return e.silent
}

// A Memory remembers clients. It is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	clients map[Key]entry
}

// New returns an empty Memory.
func New() *Memory { return &Memory{clients: map[Key]entry{}} }

// Of returns what is known of a client.
func (m *Memory) Of(k Key) Habit { return Habit{m, k} }

// change changes what is known of a client.
func (m *Memory) change(k Key, to func(e *entry)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.clients[k]
	if !known && len(m.clients) >= maxClients {
		m.makeRoom(time.Now())
	}
	to(&e)
	m.clients[k] = e
}

// makeRoom forgets half of the clients, so that not each new one has to look at all: those of
// whom nothing counts any more; then who was silent, which can be learnt again; then what a
// host with many addresses has above its share; and others only if that is too little.
func (m *Memory) makeRoom(now time.Time) {
	sizes := map[netip.Prefix]int{}
	for k := range m.clients {
		sizes[k.group()]++
	}
	for _, mayGo := range []func(Key, entry) bool{
		func(_ Key, e entry) bool { return e.count(now) == 0 && !e.spokeLately(now) },
		func(_ Key, e entry) bool { return !e.spokeLately(now) },
		func(k Key, _ entry) bool { return sizes[k.group()] > shareOfGroup },
		func(Key, entry) bool { return true },
	} {
		for k, e := range m.clients {
			if len(m.clients) > maxClients/2 && mayGo(k, e) {
				delete(m.clients, k)
				sizes[k.group()]--
			}
		}
	}
}

// A Habit is how the sessions of one client at one listener have begun. The zero value is
// that of a client of whom nothing is known or learnt.
type Habit struct {
	memory *Memory
	key    Key
}

// Wait returns how long to wait before the greeting, where a client of whom nothing is known
// is waited for so long.
func (h Habit) Wait(full time.Duration) time.Duration {
	if h.memory == nil {
		return full
	}
	h.memory.mu.Lock()
	silent := h.memory.clients[h.key].count(time.Now())
	h.memory.mu.Unlock()
	return min(full, max(Least, full>>(max(silent, Trials)-Trials)))
}

// WasSilent notes a session that was silent until its greeting, and then began with a command.
func (h Habit) WasSilent() {
	if h.memory == nil {
		return
	}
	now := time.Now()
	h.memory.change(h.key, func(e *entry) {
		e.silent, e.last = min(e.count(now)+1, maxSilent), now
	})
}

// Spoke notes a session that said something before its greeting, or began TLS after it.
func (h Habit) Spoke() {
	if h.memory != nil {
		h.memory.change(h.key, func(e *entry) { *e = entry{spoke: time.Now()} })
	}
}

// Left notes a session that has ended without a word after its greeting. It may have been one
// that could not read it: silent sessions do not count any more.
func (h Habit) Left() {
	if h.memory == nil {
		return
	}
	h.memory.mu.Lock()
	defer h.memory.mu.Unlock()
	if e, known := h.memory.clients[h.key]; known {
		e.silent = 0
		h.memory.clients[h.key] = e
	}
}
