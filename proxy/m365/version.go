package m365

import (
	"fmt"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

// dayLayout is the first part of a version, for time.Parse.
const dayLayout = "20060102"

// ParseVersion returns the day on which a version of the web service,
// YYYYMMDDNN, was published.
func ParseVersion(version string) (time.Time, error) {
	if !isVersion(version) {
		return time.Time{}, fmt.Errorf("version %q is not ten digits", netname.Cut(version, maxShown))
	}
	day, err := time.Parse(dayLayout, version[:len(dayLayout)])
	if err != nil {
		return time.Time{}, fmt.Errorf("version %q begins with no date: %w", version, err)
	}
	return day, nil
}

// isVersion reports whether s has the form YYYYMMDDNN. Versions of that form can
// be compared as text.
func isVersion(s string) bool {
	return len(s) == 10 && strings.Trim(s, "0123456789") == ""
}

// VersionOf returns the lowest version of a day; empty for no day.
func VersionOf(day time.Time) string {
	if day.IsZero() {
		return ""
	}
	return day.Format(dayLayout) + "00"
}
