// Package wording puts numbers, times and texts of clients into the words of the pages.
//
// What a client has chosen comes out as text of one line that is safe to show anywhere.
package wording

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	// maxShown is how many bytes of a text of a client are shown. Host names and reasons
	// are shorter.
	maxShown = 160
	// maxSentence is above all sentences of ours.
	maxSentence = 600
)

// Shown returns what is shown of a text that a client may have chosen.
func Shown(s string) string { return netname.Text(s, maxShown) }

// ShownAll is Shown for each text of a list.
func ShownAll(all []string) []string {
	clean := make([]string, len(all))
	for i, s := range all {
		clean[i] = Shown(s)
	}
	return clean
}

// Sentence returns a sentence of ours, which may be longer than a client's texts.
func Sentence(s string) string { return netname.Text(s, maxSentence) }

// Address returns an address; empty for none.
func Address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

const day = 24 * time.Hour

// Span returns roughly how long a time is.
func Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return Plural(int(d/time.Minute), "minute")
	case d < 2*day:
		return Plural(int(d/time.Hour), "hour")
	case d < 2*365*day:
		return Plural(int(d/day), "day")
	}
	return Plural(int(d/(365*day)), "year")
}

// Age returns roughly how long ago a time is, or how long until then.
func Age(d time.Duration) string {
	switch {
	case d.Abs() < time.Minute:
		return "just now"
	case d < 0:
		return "in " + Span(-d)
	}
	return Span(d) + " ago"
}

// Duration returns how long something took.
func Duration(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// Plural returns a number of things.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Count is Plural for a number that may be larger.
func Count(n uint64, noun string) string { return Plural(int(min(n, math.MaxInt32)), noun) }

// Size returns a number of bytes in words.
func Size(n uint64) string {
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1000, 0
	for ; v >= 1000 && i < len(units)-1; i++ {
		v /= 1000
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
