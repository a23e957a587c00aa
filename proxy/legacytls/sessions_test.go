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
	const device, other, monitor, elsewhere = "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32", "2001:db8::/64"
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
	if own+most+1 != 12 || own < 4 || most < 4 {
		t.Errorf("two clients that resume none have %d and %d sessions", own, most)
	}
	// An address that is not the client's own resumes, too: it may have changed.
	if _, resumed := comes(elsewhere, first); !resumed {
		t.Error("a session is bound to the address of its client")
	}
	for id := range sessions.byID {
		sessions.forget([]byte(id))
	}
	if len(sessions.byClient) != 0 || len(sessions.byID) != 0 {
		t.Errorf("%d clients are left without a session", len(sessions.byClient))
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
