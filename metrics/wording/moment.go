package wording

import "time"

// A Moment is a time as pages show it: in the time zone of this machine, and beside it in
// UTC. The zero value is no time.
type Moment struct {
	Machine string // RFC 3339, in UTC
	Full    string // for example 2026-11-28 09:05:39 CET (08:05:39 UTC)
	Short   string // for example 2026-11-28 09:05
	Day     string // for example 2026-11-28
	Date    string // for example 28 November 2026
	Age     string // for example 4 minutes ago
}

// At returns t as seen at now; the zero value for no time.
func At(t, now time.Time) Moment {
	if t.IsZero() {
		return Moment{}
	}
	local := t.Local()
	return Moment{
		Machine: t.UTC().Format(time.RFC3339),
		Full:    full(local),
		Short:   local.Format("2006-01-02 15:04"),
		Day:     local.Format(time.DateOnly),
		Date:    local.Format("2 January 2006"),
		Age:     Age(now.Sub(t)),
	}
}

// full returns a time in its zone, and in UTC unless that is the same.
func full(local time.Time) string {
	const clock = "15:04:05"
	utc := local.UTC()
	if _, offset := local.Zone(); offset == 0 {
		return utc.Format("2006-01-02 " + clock + " UTC")
	}
	beside := utc.Format(clock)
	if local.Format(time.DateOnly) != utc.Format(time.DateOnly) {
		beside = utc.Format("2006-01-02 " + clock)
	}
	return local.Format("2006-01-02 "+clock+" MST") + " (" + beside + " UTC)"
}
