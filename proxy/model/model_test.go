package model

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/listener"
	"pgregory.net/rapid"
)

// usual is how many histories there are, unless TLSLIFT_TEST_HISTORIES says it.
const usual = "100"

// TestMain sets what rapid is to do. The same seed makes the same histories.
func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{
		"rapid.checks":     cmpOr(os.Getenv("TLSLIFT_TEST_HISTORIES"), usual),
		"rapid.steps":      "60",
		"rapid.shrinktime": "20s",
		"rapid.seed":       cmpOr(os.Getenv("TLSLIFT_TEST_SEED"), "14"),
		// A history that fails is told in the log.
		"rapid.nofailfile": "true",
	} {
		given := false
		flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
		if given {
			continue
		}
		if err := flag.Set(name, value); err != nil {
			panic(fmt.Sprintf("setting %s: %v", name, err)) // there is no test to fail yet
		}
	}
	os.Exit(m.Run())
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Whatever clients, destinations and the operator do, and in whatever order: what the
// package says has to hold, does.
func TestModel(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8")
	}
	if len(entries) != kindsOfListener {
		t.Fatal("kindsOfListener is wrong")
	}
	s := newShared(t)
	rapid.Check(t, func(rt *rapid.T) { history(t, rt, s) })
}

// history is one random history, from the start of tlslift to its end.
func history(t *testing.T, rt *rapid.T, s *shared) {
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	limit := rapid.SampledFrom([]int{100, 100, 2}).Draw(rt, "limit of connections")
	w := newWorld(s, limit, rapid.Bool().Draw(rt, "a drain cuts off"), rt.Fatalf)
	defer w.end()
	actions := map[string]func(*rapid.T){"": w.check, "operator": w.operate}
	for i := range 4 { // of several names, each is drawn as often as another
		actions[fmt.Sprintf("open %d", i)] = w.open
		actions[fmt.Sprintf("step %d", i)] = w.step
		actions[fmt.Sprintf("step %d again", i)] = w.step
	}
	actions["leave"], actions["leave too"] = w.leave, w.leave
	rt.Repeat(actions)
	w.finish()
	w.check(rt)
	w.compare(t)
	w.awaitGoroutines(goroutines)
	w.awaitFiles(t, files)
	w.check(rt)
}

// check fails if something does not hold.
func (w *world) check(t *rapid.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.violations) > 0 {
		t.Fatalf("%s", strings.Join(w.violations, "\n"))
	}
}

// some draws a slot.
func (w *world) some(t *rapid.T) *slot { return w.slots[rapid.IntRange(0, slots-1).Draw(t, "slot")] }

// live counts the connections that are open, and those of them that have a session. The
// others may have to make room.
func (w *world) live() (all, sessions int) {
	for _, s := range w.slots {
		if s.pair == nil {
			continue
		}
		all++
		if s.pair.client != nil && s.pair.far != nil {
			sessions++
		}
	}
	return all, sessions
}

// open opens a connection of some kind. Half of them have to succeed.
func (w *world) open(t *rapid.T) {
	s := w.some(t)
	if s.pair != nil || w.isStopped {
		t.Skip("it is open, or nothing can be")
	}
	p := &pair{slot: s, trouble: noTrouble, does: accepts}
	p.entry = &entries[rapid.IntRange(0, len(entries)-1).Draw(t, "listener")]
	if w.isLimited() && p.entry.scheme == listener.SchemeRedirect {
		p.entry = &entries[0]
	}
	p.kind = rapid.SampledFrom(kinds).Draw(t, "TLS")
	switch rapid.IntRange(0, 5).Draw(t, "fate") {
	case 0:
		p.trouble = rapid.SampledFrom(troubles).Draw(t, "trouble")
	case 1:
		p.does = rapid.SampledFrom(deeds).Draw(t, "deed")
	}
	// What goes wrong, goes wrong for a client that has TLS.
	if (p.trouble != noTrouble || p.does != accepts) && p.kind == plain {
		p.kind = tls10
	}
	if p.kind == plain && !p.entry.plaintext && p.entry.scheme != smtpScheme {
		p.kind = tls11
	}
	if p.trouble == toDecoy && !p.entry.choosesHost() || p.trouble == toDecoyByName {
		p.entry = &entries[0] // CONNECT, where the two can differ
	}
	if p.trouble == stallsHello && !s.allowed { // it may be refused before
		p.trouble = halfHello
	}
	all, sessions := w.live()
	isFull := all >= w.limit
	fars := s.farCount()
	if p.open(w) {
		if !p.isGood() || sessions >= w.limit {
			w.violate("%s: it succeeds", p)
		}
		s.pair = p
		return
	}
	if p.stalls() && !isFull {
		s.pair = p
		return
	}
	p.close()
	r := p.record(w)
	if isFull {
		return
	}
	if p.isGood() {
		w.violate("%s: it does not succeed: %s %q (%v)", p, r.Outcome, r.Reason, r.Err)
	}
	p.judge(w, r, p.colourOfOpening())
	if !s.allowed && s.farCount() != fars {
		w.violate("%s: a destination that is not allowed any more gets a connection", p)
	}
}

// colourOfOpening is what is right for a connection that comes to nothing.
func (p *pair) colourOfOpening() colour {
	switch {
	case p.trouble == portCheck && p.slot.allowed:
		return notFailing
	case p.trouble == portCheck:
		return anyColour
	case p.kind.isCapable() && !p.entry.isMismatch() && p.slot.allowed && (p.trouble == distrusts || p.trouble == noTrouble):
		return anyColour // what a client that is passed does not trust is its own affair
	}
	return red
}

// isLimited reports whether there may be too many connections. All clients are then of one
// group of addresses, and no session gives way to another.
func (w *world) isLimited() bool { return w.limit < slots }

// farCount counts the connections that the destination got.
func (s *slot) farCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fars
}

// close ends both ends for good.
func (p *pair) close() {
	if p.client != nil {
		p.client.close()
	}
	_ = p.raw.Close()
	p.waiting.Wait()
	if p.far != nil {
		p.far.close()
	}
}

// step goes on with a session.
func (w *world) step(t *rapid.T) {
	s := w.some(t)
	p := s.pair
	if p == nil || p.client == nil || p.far == nil || p.rushed {
		t.Skip("there is no session")
	}
	rush := rapid.IntRange(0, 9).Draw(t, "rush") == 0
	switch {
	case p.entry.port == 443:
		p.stepWeb(w, t, rush)
	case p.mailed():
		p.stepMail(w, t, rush)
	default:
		p.stepLines(w, t, rush)
	}
	p.check(w)
}

// leave lets one side of a connection leave.
func (w *world) leave(t *rapid.T) {
	s := w.some(t)
	if s.pair == nil {
		t.Skip("there is no connection")
	}
	if s.pair.client == nil || s.pair.far == nil {
		w.giveUp(s)
		return
	}
	side := rapid.IntRange(0, 1).Draw(t, "side")
	how := rapid.SampledFrom(farewells).Draw(t, "how")
	if s.pair.left[side] != "" {
		t.Skip("this side has left")
	}
	s.pair.part(w, side, how)
	if s.pair.left[0] != "" && s.pair.left[1] != "" {
		s.pair = nil
	}
}

// giveUp ends a connection of a client that has waited, and of its destination.
func (w *world) giveUp(s *slot) {
	p := s.pair
	s.pair = nil
	p.close()
	s.mu.Lock()
	for _, c := range s.farConns {
		_ = c.Close() // while it is asked, nobody looks at the client
	}
	s.mu.Unlock()
	p.judge(w, p.record(w), anyColour)
}

// part lets one side leave. Unless it half-closes, the other one follows, and the
// connection is compared with its record.
func (p *pair) part(w *world, side int, how farewell) {
	this, other := p.side(side)
	isSecond := p.left[1-side] != ""
	want := p.colour(side, how)
	if isSecond {
		want = anyColour
		if p.broken == green && !p.web.isOpen() && how != resets {
			want = green
		}
	}
	this.leave(how)
	p.left[side] = how
	if !isSecond {
		orderly, ended := other.ended()
		if !ended {
			w.violate("%s: side %d %s, and the other side does not notice", p, side, how)
		}
		should := how.isOrderly(p.hasTLS(side)) || how == fins && !p.hasTLS(1-side) // which looks like it
		if orderly != should && (orderly || !p.rushed) {
			w.violate("%s: side %d %s, and the other side sees an orderly end: %v (%v)", p, side, how, orderly, other.err)
		}
		if orderly && !p.mailed() && len(other.bytes()) != len(this.sent) {
			w.violate("%s: of %d bytes, %d have arrived before an orderly end", p, len(this.sent), len(other.bytes()))
		}
		if how == halves {
			p.broken = want
			return
		}
		other.leave(closes)
		p.left[1-side] = closes
	} else {
		_, _ = other.ended()
	}
	p.check(w)
	p.close()
	p.judge(w, p.record(w), want)
}

// operate lets the operator change something, or stop tlslift.
func (w *world) operate(t *rapid.T) {
	s := w.some(t)
	switch rapid.IntRange(0, 9).Draw(t, "change") {
	case 0:
		w.drain(t)
	case 1, 2, 3:
		s.allowed = !s.allowed || rapid.Bool().Draw(t, "allow")
		w.setPolicy()
	case 4, 5, 6, 7, 8, 9:
		if w.isLimited() {
			t.Skip("named clients come first")
		}
		s.named = !s.named
		w.setClients()
	}
}

// drain stops tlslift.
func (w *world) drain(t *rapid.T) {
	if w.isStopped {
		t.Skip("it is stopped")
	}
	w.isStopped = true
	w.stop()
	if !w.cuts {
		return
	}
	for _, s := range w.slots {
		if s.pair != nil {
			w.cutOff(s)
		}
	}
}

// cutOff looks at a connection that is cut off.
func (w *world) cutOff(s *slot) {
	p := s.pair
	s.pair = nil
	if p.client != nil && p.far != nil {
		for side := range 2 {
			this, _ := p.side(side)
			orderly, ended := this.ended()
			if !ended || orderly && p.left[1-side] == "" && p.hasTLS(side) {
				w.violate("%s: it is cut off, and side %d sees an orderly end: %v", p, side, orderly)
			}
		}
		p.check(w)
	}
	p.close()
	r := p.record(w)
	if r.Reason == "" {
		w.violate("%s: it was cut off, and there is no reason", p)
	}
}

// finish ends all connections, and tlslift.
func (w *world) finish() {
	for _, s := range w.slots {
		switch {
		case s.pair == nil:
			continue
		case s.pair.client == nil || s.pair.far == nil:
			w.giveUp(s)
			continue
		}
		for side := range 2 {
			if s.pair.left[side] == "" {
				s.pair.part(w, side, closes)
				if s.pair.left[1-side] != "" {
					break
				}
			}
		}
		s.pair = nil
	}
	w.isStopped = true
	w.end()
}
