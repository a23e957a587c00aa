package metrics

import (
	"testing"
	"time"
)

func TestEndpointsCheckedIsAbsentUntilKnown(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	m.SetEndpointsChecked(time.Time{})
	if got := series(t, m, "tlslift_endpoints_checked_timestamp_seconds"); got != "absent" {
		t.Errorf("the time of no check is %s, want none", got)
	}
	m.SetEndpointsChecked(time.Unix(42, 0))
	m.SetEndpointsChecked(time.Time{})
	if got := series(t, m, "tlslift_endpoints_checked_timestamp_seconds"); got != "42" {
		t.Errorf("the time of the check is %s, want 42", got)
	}
}

// Every result has its series from the start, so that the first failure is an
// increase; what is not a result cannot make up one.
func TestRefreshResults(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	m.CountRefresh("failed")
	m.CountRefresh("failed")
	m.CountRefresh("invented")
	for result, want := range map[string]string{
		"unchanged": "0", "updated": "0", "rejected": "0", "throttled": "0", "failed": "2", "unknown": "1", "invented": "absent",
	} {
		if got := series(t, m, `tlslift_endpoints_refreshes_total{result="`+result+`"}`); got != want {
			t.Errorf("%s is %s, want %s", result, got, want)
		}
	}
}
