package legacytls

import (
	"bytes"
	"fmt"
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
		if len(sessions.byID) != most || sessions.used.Len() != most {
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
