package statuspage

import (
	"fmt"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

// maxShown is how many bytes of a text a page shows. Host names and
// reasons are shorter.
const maxShown = 160

func shown(s string) string { return netname.Text(s, maxShown) }

func shownAll(all []string) []string {
	clean := make([]string, len(all))
	for i, s := range all {
		clean[i] = shown(s)
	}
	return clean
}

// A moment is a time as pages show it. The zero value is no time.
type moment struct {
	Machine string // RFC 3339
	Full    string
	Age     string
	Date    string
}

// momentOf returns t as seen at now.
func momentOf(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.UTC()
	return moment{
		Machine: t.Format(time.RFC3339),
		Full:    t.Format("2006-01-02 15:04:05 UTC"),
		Age:     ageText(now.Sub(t)),
		Date:    t.Format("2 January 2006"),
	}
}

const day = 24 * time.Hour

// ageText returns roughly how long ago a time is, or how long until then.
func ageText(d time.Duration) string {
	form := "%s ago"
	if d < 0 {
		d, form = -d, "in %s"
	}
	var span string
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		span = plural(int(d/time.Minute), "minute")
	case d < 2*day:
		span = plural(int(d/time.Hour), "hour")
	case d < 2*365*day:
		span = plural(int(d/day), "day")
	default:
		span = plural(int(d/(365*day)), "year")
	}
	return fmt.Sprintf(form, span)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// size returns a number of bytes in words.
func size(n uint64) string {
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
