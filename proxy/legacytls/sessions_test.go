package legacytls

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

// Only so many sessions are kept; those used last stay.
func TestSessionsBound(t *testing.T) {
	t.Parallel()
	for most := range 4 {
		sessions := NewSessions(secretKeys("secret"), most)
		config := at(t, sessions, noon)
		var all []*script
		for range 5 {
			c, _ := visit(t, config, hello{}, nil)
			if len(c.answer.session) != maxSessionID {
				t.Fatalf("the session ID is %x", c.answer.session)
			}
			all = append(all, c)
		}
		if len(sessions.byID) != most || most > 0 && sessions.byClient[netip.Prefix{}].Len() != most {
			t.Errorf("%d sessions are kept, want %d", len(sessions.byID), most)
		}
		slices.Reverse(all)
		for i, before := range all {
			_, resumed := visit(t, config, hello{session: before.answer.session}, before)
			if resumed != (i < most) {
				t.Errorf("%d are kept; number %d from behind is resumed: %v", most, i, resumed)
			}
		}
	}
}

// The session that is used stays, and the one that is not goes.
func TestSessionsUse(t *testing.T) {
	t.Parallel()
	sessions := NewSessions(secretKeys("secret"), 2)
	config := at(t, sessions, noon)
	old, _ := visit(t, config, hello{}, nil)
	newer, _ := visit(t, config, hello{}, nil)
	resume := func(c *script) bool {
		_, resumed := visit(t, config, hello{session: c.answer.session}, c)
		return resumed
	}
	if !resume(old) {
		t.Error("the first session is not resumed")
	}
	visit(t, config, hello{}, nil)
	if !resume(old) || resume(newer) {
		t.Error("it is not the session used last that was kept")
	}
}

// A client that makes many sessions and resumes none pushes out its own, and those of
// nobody else; each client has its share.
func TestSessionsOfManyClients(t *testing.T) {
	t.Parallel()
	sessions := NewSessions(secretKeys("secret"), 12)
	const device, other, monitor, distant = "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32", "2001:db8::/64"
	config := func(client string) *Config {
		c := at(t, sessions, noon)
		c.Client = netip.MustParsePrefix(client)
		return c
	}
	comes := func(client string, before *script) (*script, bool) {
		h := hello{}
		if before != nil {
			h.session = before.answer.session
		}
		return visit(t, config(client), h, before)
	}
	first, _ := comes(device, nil)
	second, _ := comes(other, nil)
	for range 30 {
		comes(monitor, nil)
	}
	if _, resumed := comes(device, first); !resumed {
		t.Error("the session of a device is gone")
	}
	if n := sessions.byClient[netip.MustParsePrefix(monitor)].Len(); n != 10 {
		t.Errorf("the client that resumes none has %d sessions", n)
	}
	for range 10 { // it takes what the largest has, up to its share
		comes(other, nil)
	}
	if _, resumed := comes(device, first); !resumed {
		t.Error("the session of a device is gone, too")
	}
	if _, resumed := comes(other, second); resumed {
		t.Error("the oldest session of a client with many is kept")
	}
	own, most := sessions.byClient[netip.MustParsePrefix(other)].Len(), sessions.byClient[netip.MustParsePrefix(monitor)].Len()
	if own != 4 || most != 7 {
		t.Errorf("two clients that resume none have %d and %d sessions, want the share of one and what that leaves", own, most)
	}
	// An address that is not the client's own resumes, too: it may have changed.
	if _, resumed := comes(distant, first); !resumed {
		t.Error("a session is bound to the address of its client")
	}
	for id := range sessions.byID {
		sessions.forget([]byte(id))
	}
	if len(sessions.byClient) != 0 || len(sessions.byID) != 0 {
		t.Errorf("%d clients are left without a session", len(sessions.byClient))
	}
}

// A crowd is sessions of many clients, and nothing else of them.
type crowd struct {
	*Sessions
	made int
}

// newCrowd has one session of each client, and then as many of the first as there is room for.
func newCrowd(clients, most int) *crowd {
	c := &crowd{Sessions: NewSessions(secretKeys("secret"), most)}
	for i := range clients {
		c.comes(i)
	}
	for range most - clients {
		c.comes(0)
	}
	return c
}

// client is the address of one.
func (c *crowd) client(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
}

func (c *crowd) comes(i int) {
	c.made++
	c.keep(&session{id: fmt.Sprint(c.made), client: c.client(i)})
}

// has is how many sessions a client has.
func (c *crowd) has(i int) int {
	if all := c.byClient[c.client(i)]; all != nil {
		return all.Len()
	}
	return 0
}

// With many clients, too, one that makes many sessions gets its share, and has nothing of what
// others have beyond theirs.
func TestShareOfManyClients(t *testing.T) {
	t.Parallel()
	for _, clients := range []int{3, mostLooks, 4 * mostLooks} {
		const share = 4
		c := newCrowd(clients, share*clients)
		for tries := 0; c.has(1) < share && tries < 100*share; tries++ { // it does not find the largest each time
			c.comes(1)
		}
		before := c.has(0)
		for range 20 * share * clients {
			c.comes(1)
		}
		if c.has(1) != share || c.has(0) != before || len(c.byClient) != clients {
			t.Errorf("of %d clients, the one that makes many has %d sessions, and the largest %d, want %d and %d",
				len(c.byClient), c.has(1), c.has(0), share, before)
		}
	}
}

// As long as there are few clients, it is always the largest that loses a session to new ones.
func TestLargestOfFewLoses(t *testing.T) {
	t.Parallel()
	c := newCrowd(mostLooks/2, 2*mostLooks)
	for i := mostLooks / 2; i < mostLooks; i++ {
		c.comes(i)
	}
	for i := range mostLooks {
		if want := map[bool]int{true: mostLooks + 1, false: 1}[i == 0]; c.has(i) != want {
			t.Errorf("client %d has %d sessions, want %d", i, c.has(i), want)
		}
	}
}

// With many clients, to find one that loses a session takes no look at all of them: a full
// handshake would wait for that.
func TestFewLooksAtMany(t *testing.T) {
	t.Parallel()
	const clients, comers = 16 * mostLooks, 32
	c := newCrowd(clients, clients+2*comers)
	for i := range comers {
		c.comes(clients + i)
	}
	// Each one finds the largest once in sixteen times.
	if c.has(0) == 1+comers {
		t.Errorf("each of %d clients has found the largest among %d", comers, clients)
	}
}

// The session of a connection that failed is not resumed (RFC 5246 section
// 7.2.2); others go on.
func TestSessionOfFailure(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(c *script){
		"by an alert of the server": func(c *script) { c.record(typeChangeCipherSpec, []byte{1}); c.wantAlert(alertUnexpectedMessage) },
		"by an alert of the client": func(c *script) { c.record(typeAlert, []byte{levelFatal, 80}); <-c.ended },
	} {
		for _, resumed := range []bool{false, true} {
			config := at(t, newSessions(), noon)
			other, _ := visit(t, config, hello{}, nil)
			c := begin(t, config, hello{})
			c.connect()
			if resumed {
				before := c
				c = begin(t, config, hello{session: before.answer.session})
				c.master = before.master
				if !c.connect() {
					t.Fatalf("the session is not resumed: %v", c.err)
				}
			}
			fail(c)
			if _, again := visit(t, config, hello{session: c.answer.session}, c); again {
				t.Errorf("%s, resumed=%v: the session goes on", name, resumed)
			}
			if _, again := visit(t, config, hello{session: other.answer.session}, other); !again {
				t.Errorf("%s, resumed=%v: another session has gone, too", name, resumed)
			}
		}
	}
}

// A session that is resumed while others push it out is whole.
func TestSessionsConcurrently(t *testing.T) {
	t.Parallel()
	sessions := NewSessions(secretKeys("secret"), 1)
	var master [masterLen]byte
	copy(master[:], bytes.Repeat([]byte{1}, masterLen))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 2000 {
				id := fmt.Sprint(i, n)
				sessions.keep(&session{id: id, master: master})
				if one := sessions.byIdentifier([]byte(id)); one != nil && one.master != master {
					t.Errorf("the session has master secret %x", one.master)
				}
			}
		})
	}
	all.Wait()
}
