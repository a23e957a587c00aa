package summary

import (
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/wording"
)

const (
	day   = 24 * time.Hour
	week  = 7 * day
	month = 30 * day
)

// Figures are the answers at the top.
type Figures struct {
	Legacy, Failing, Silent int
	// Lifted in the last days.
	InWeek, InMonth int
	// Trying are clients that would have needed lifting in the last 30 days, and
	// were not lifted.
	Trying int
	// Unclear are clients that may be such ones: they fail before that can be told.
	Unclear int
	// NoTLS are those that connect and never begin TLS, which monitors do, too.
	NoTLS  int
	Last   wording.Moment // the last lifted connection
	Answer string         // when tlslift can be switched off
}

// FiguresOf returns those of all clients.
func FiguresOf(all []inventory.Client, now time.Time) Figures {
	var f Figures
	var last, needed time.Time
	for i := range all {
		c := &all[i]
		f.add(c, now)
		last = latest(last, c.LastLifted)
		needed = latest(needed, latest(c.LastLifted, c.LastLegacy))
	}
	f.Last = wording.At(last, now)
	f.Answer = f.answer(len(all), wording.At(needed, now))
	return f
}

// add counts a client.
func (f *Figures) add(c *inventory.Client, now time.Time) {
	lifted := now.Sub(c.LastLifted) // centuries, if it never was
	switch {
	case lifted < week:
		f.InWeek++
		f.InMonth++
	case lifted < month:
		f.InMonth++
	case now.Sub(c.LastLegacy) < month:
		f.Trying++
	case c.MayBeLegacy() && now.Sub(c.Failure.At) < month:
		f.Unclear++
	case c.Failure == nil && StateOf(c, now) == Idle && now.Sub(c.LastSeen) < month:
		f.NoTLS++
	}
	for _, count := range []struct {
		of   *int
		here bool
	}{{&f.Legacy, c.NeedsLifting(now)}, {&f.Failing, c.Failing(now)}, {&f.Silent, c.Silent(now)}} {
		if count.here {
			*count.of++
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// TryingText returns in words how many clients need tlslift, or may need it, and always fail.
func (f Figures) TryingText() string {
	needing, unclear := "1 client that needs it tries and fails", "1 client that may need it tries and fails"
	if f.Trying != 1 {
		needing = wording.Plural(f.Trying, "client") + " that need it try and fail"
	}
	if f.Unclear != 1 {
		unclear = wording.Plural(f.Unclear, "client") + " that may need it try and fail"
	}
	switch {
	case f.Unclear == 0:
		return needing
	case f.Trying == 0:
		return unclear
	}
	return needing + ", " + unclear
}

// Fruitless reports whether there are such clients.
func (f Figures) Fruitless() bool { return f.Trying+f.Unclear > 0 }

// NoTLSText returns in words how many clients never begin TLS.
func (f Figures) NoTLSText() string {
	if f.NoTLS == 1 {
		return "1 client connects and never begins TLS: find out whether it is a monitor"
	}
	return wording.Plural(f.NoTLS, "client") + " connect and never begin TLS: find out whether they are monitors"
}

// answer returns whether tlslift can be switched off; needed is when a client last
// needed it.
func (f Figures) answer(clients int, needed wording.Moment) string {
	switch {
	case clients == 0:
		return "No client has connected yet"
	case f.InMonth == 0 && f.Fruitless():
		return "No: " + f.TryingText()
	case needed.Date == "":
		return "No client has needed it so far"
	case f.InMonth == 0:
		return "No client has needed it since " + needed.Date
	case f.InWeek == 0:
		return "Not yet"
	}
	return "Not now"
}
