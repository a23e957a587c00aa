// Package burndown counts, for each day, how many clients were lifted and how many still
// needed it, and draws both as a chart.
//
// It keeps a few bytes for each of a hundred days, and no name of a client.
package burndown

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// maxDays is how many days are kept: those of a chart, and some for a clock that is
	// wrong for a while.
	maxDays = 100
	// maxCount is above all numbers of clients.
	maxCount = 1 << 24
	// unknown is the number of a day on which nobody has counted.
	unknown = -1
)

// A Date is a day of the calendar, as a number of days since 1970. The date of
// a moment depends on the time zone.
type Date int64

// DateOf returns the date of a moment in the time zone of this machine.
func DateOf(t time.Time) Date {
	year, month, day := t.Local().Date()
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

// time returns the date as midnight in UTC.
func (d Date) time() time.Time { return time.Unix(int64(d)*24*60*60, 0).UTC() }

// A Day has the counts of one day.
type Day struct {
	Date Date
	// Lifted is how many clients were lifted on it.
	Lifted int
	// Needing is how many still needed to be lifted in its last hour in which that was
	// counted; -1 if it never was.
	Needing int
}

// MarshalJSON writes a day, for example ["2026-11-28",12,30].
func (d Day) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{d.Date.time().Format(time.DateOnly), d.Lifted, d.Needing})
}

// UnmarshalJSON reads what MarshalJSON writes, and nothing that is out of bounds.
func (d *Day) UnmarshalJSON(text []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	if len(parts) != 3 {
		return errors.New("a day has not three values")
	}
	var date string
	var read Day
	for i, into := range []any{&date, &read.Lifted, &read.Needing} {
		if err := json.Unmarshal(parts[i], into); err != nil {
			return err
		}
	}
	at, err := time.Parse(time.DateOnly, date)
	switch {
	case err != nil:
		return fmt.Errorf("reading a day: %w", err)
	case at.Year() < 1970 || read.Lifted < 0 || read.Needing < unknown || max(read.Lifted, read.Needing) > maxCount:
		return fmt.Errorf("the counts of %s are out of bounds", date)
	}
	read.Date = Date(at.Unix() / (24 * 60 * 60))
	*d = read
	return nil
}

// Counts has the days on which something was counted. It is not safe for concurrent use.
// The zero value has none.
type Counts struct {
	days []Day // by date
}

// Of returns counts with these days. When a date is given twice, the last one counts.
func Of(days []Day, now time.Time) Counts {
	var c Counts
	for _, d := range days[max(0, len(days)-10*maxDays):] {
		*c.day(d.Date, DateOf(now)) = d
	}
	return c
}

// Days returns all days, the oldest first.
func (c *Counts) Days() []Day { return slices.Clone(c.days) }

// Lifted counts a client that was lifted, and last so on another day before; a zero time
// means never. A client counts once for each day.
func (c *Counts) Lifted(at, before time.Time) {
	date := DateOf(at)
	if !before.IsZero() && DateOf(before) >= date {
		return
	}
	d := c.day(date, date)
	d.Lifted = min(d.Lifted+1, maxCount)
}

// SetNeeding notes how many clients need to be lifted now, and reports whether it is the
// first time on this day.
func (c *Counts) SetNeeding(now time.Time, clients int) bool {
	d := c.day(DateOf(now), DateOf(now))
	first := d.Needing == unknown
	d.Needing = min(clients, maxCount)
	return first
}

// day returns the day of a date, which is added if it is missing. If there are too many
// then, the one that is farthest from today goes: a clock that is wrong for a while does
// not take the history with it.
func (c *Counts) day(date, today Date) *Day {
	at, found := slices.BinarySearchFunc(c.days, date, func(d Day, date Date) int { return cmp.Compare(d.Date, date) })
	if found {
		return &c.days[at]
	}
	c.days = slices.Insert(c.days, at, Day{Date: date, Needing: unknown})
	if len(c.days) <= maxDays {
		return &c.days[at]
	}
	if first, last := c.days[0].Date, c.days[maxDays].Date; today-first >= last-today {
		c.days = slices.Delete(c.days, 0, 1)
		at--
	} else {
		c.days = c.days[:maxDays]
	}
	if at < 0 || at >= len(c.days) {
		return new(Day) // it was the farthest itself, and is not kept
	}
	return &c.days[at]
}
