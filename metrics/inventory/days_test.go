package inventory

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/metrics/burndown"
	"github.com/tlslift/tlslift/proxy/record"
)

const day = 24 * time.Hour

// counts returns what was counted of each day.
func counts(v *Inventory) string {
	var all []string
	for _, d := range v.Days() {
		all = append(all, fmt.Sprintf("%d/%d", d.Lifted, d.Needing))
	}
	return strings.Join(all, " ")
}

// The clients that were lifted on a day are counted once each, and those that need lifting
// on every day on which tlslift runs. A restart continues the days.
func TestDaysOutliveARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		v := New(Options{Store: store})
		stop := running(v)
		for _, addr := range []string{"192.0.2.7", "192.0.2.7", "192.0.2.8"} {
			v.Closed(lifted(addr, time.Now()))
		}
		v.Closed(refusedBy(record.ReasonSSL3Only, "192.0.2.9", time.Now()))
		time.Sleep(day) // nobody connects on the second day until then
		v.Closed(lifted("192.0.2.8", time.Now()))
		stop()
		again := New(Options{Store: store})
		if got := counts(again); got != "2/2 1/2" || got != counts(v) {
			t.Errorf("got %s, before the restart %s", got, counts(v))
		}
		stop = running(again)
		again.Closed(lifted("192.0.2.7", time.Now()))
		again.Closed(lifted("192.0.2.8", time.Now()))
		time.Sleep(day)
		stop()
		if got := counts(again); got != "2/2 2/2" && got != "2/2 2/2 0/2" {
			t.Errorf("got %s", got)
		}
	})
}

// Clients are counted once an hour, and at once when the clock was set back.
func TestCountingWhenTheClockIsSet(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	for i, step := range []struct {
		after time.Duration
		want  string
	}{{0, "1/1"}, {10 * time.Minute, "2/1"}, {time.Hour, "3/3"}, {-3 * time.Hour, "4/4"}, {-3*time.Hour + time.Minute, "5/4"}} {
		now := noon.Add(step.after)
		v.Closed(lifted(numbered(i), noon))
		countDay(v, now)
		if got := counts(v); got != step.want {
			t.Errorf("after %v: %s, want %s", step.after, got, step.want)
		}
	}
}

// A state of before has no days, and what is wrong with one takes no client.
func TestDaysOfAnotherState(t *testing.T) {
	t.Parallel()
	const client = `"clients":[{"client":"a","address":"192.0.2.1","last_seen":"2026-03-02T12:00:00Z"}]}`
	for days, want := range map[string]string{
		``:                             "",
		`"days":[],`:                   "",
		`"days":null,`:                 "",
		`"days":[["2026-03-01",4,9]],`: "4/9",
		`"days":[[1],"x",["2026-03-01",4,9],["2026-03-02",-1,0],["2026-03-99",1,1]],`: "4/9",
	} {
		store := &memory{text: []byte(`{"version":1,` + days + client)}
		v := New(Options{Store: store})
		if got := counts(v); got != want || len(v.Snapshot()) != 1 || len(store.aside) != 0 {
			t.Errorf("%s: got %q, %d clients, %d set aside", days, got, len(v.Snapshot()), len(store.aside))
		}
	}
}

// However many untrusted clients connect on however many days, there are as many days.
func TestDaysAreBounded(t *testing.T) {
	t.Parallel()
	v := New(Options{MaxClients: 10})
	for i := range 1000 {
		v.Closed(refusedBy(record.ReasonClientNotAllowed, numbered(i), noon.Add(time.Duration(i)*time.Hour)))
		v.Closed(lifted(numbered(i), noon.Add(time.Duration(i)*day)))
	}
	text := StateOf(v).Encode()
	if n := len(v.Days()); n > 100 || len(text) > 20_000 {
		t.Errorf("%d days, %d bytes", n, len(text))
	}
}

// The first count of a day is saved although nobody connects; the later ones wait for
// something else.
func TestWhenADayIsSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		v := New(Options{Store: store})
		defer running(v)()
		v.Closed(lifted("192.0.2.7", time.Now()))
		time.Sleep(2*day + time.Minute)
		synctest.Wait()
		if n := store.written(); n != 3 {
			t.Errorf("%d saves in two days", n)
		}
		if read, err := decode(store.text, 10); err != nil || len(read.Days) != 3 || read.Days[1] != (burndown.Day{
			Date: burndown.DateOf(time.Now()) - 1, Needing: 1,
		}) {
			t.Errorf("got %+v, %v", read.Days, err)
		}
	})
}

// mails returns the state of a client after mails with these pauses before them.
func mails(pauses ...time.Duration) *Client {
	c := &Client{FirstSeen: noon, LastSeen: noon}
	at := noon
	for _, p := range pauses {
		at = at.Add(p)
		addMail(c, &record.Record{Outcome: record.OutcomeLifted, Protocol: record.ProtocolSMTP, Accepted: 1}, at)
	}
	c.LastSeen = at
	return c
}

// A client is silent when it was quiet for three times as long as ever before.
func TestSilent(t *testing.T) {
	t.Parallel()
	var daily, weekly, holiday []time.Duration
	for range 3 {
		daily = append(daily, day, day, day, day, 3*day)
		weekly = append(weekly, 7*day, 7*day)
	}
	holiday = append(append(holiday, daily...), 21*day)
	for range 20 {
		holiday = append(holiday, daily...)
	}
	for name, test := range map[string]struct {
		c          *Client
		after, not time.Duration // silent after the one, and not after the other
	}{
		"daily":                 {mails(daily...), 9*day + time.Minute, 9 * day},
		"weekly":                {mails(weekly...), 21*day + time.Minute, 21 * day},
		"a holiday long ago":    {mails(holiday...), 11 * day, 9 * day},
		"a holiday of late":     {mails(append(append(slices.Clone(daily), 21*day), daily...)...), 55 * day, 45 * day},
		"a holiday just now":    {mails(append(slices.Clone(daily), 21*day)...), 63*day + time.Minute, 60 * day},
		"many at once":          {mails(8*day, time.Minute, time.Minute, time.Minute, time.Minute), 4*day + time.Minute, 4 * day},
		"tested once":           {mails(0, time.Minute, time.Minute, time.Minute, time.Minute), 0, 300 * day},
		"few":                   {mails(day, day, 7*day), 0, 300 * day},
		"none":                  {mails(), 0, 300 * day},
		"of an earlier version": {&Client{FirstSeen: noon.Add(-90 * day), LastAccepted: noon, Accepted: 900, LastSeen: noon}, 0, 300 * day},
	} {
		now := func(after time.Duration) time.Time { return later(test.c.LastAccepted, noon).Add(after) }
		if test.after > 0 && !test.c.Silent(now(test.after)) {
			t.Errorf("%s: not silent after %s, its pause is %s", name, test.after, test.c.MailPause.Duration())
		}
		if test.c.Silent(now(test.not)) {
			t.Errorf("%s: silent after %s, its pause is %s", name, test.not, test.c.MailPause.Duration())
		}
	}
}

// One that got past tlslift with its mail by itself is not silent: nobody looks there.
func TestPassedMailIsNotSilence(t *testing.T) {
	t.Parallel()
	c := mails(day, day, day, day, day, day, day, day)
	if !c.Silent(c.LastAccepted.Add(20 * day)) {
		t.Error("not silent before")
	}
	addMail(c, &record.Record{Outcome: record.OutcomePassed, Protocol: record.ProtocolSMTP}, c.LastAccepted.Add(day))
	if c.Silent(c.LastAccepted.Add(20 * day)) {
		t.Error("silent")
	}
	addMail(c, &record.Record{Outcome: record.OutcomeLifted, Protocol: record.ProtocolSMTP, Accepted: 1}, c.LastAccepted.Add(-40*day))
	if c.MailPause != 0 {
		t.Errorf("a mail of a clock that was set back made a pause of %s", c.MailPause.Duration())
	}
}
