package metrics

import (
	"testing"
	"time"
)

// A client that was updated and now passes still has the time of its last lift;
// one that was never lifted has no such series, rather than one of 1970.
func TestLastLiftedStaysWhenTheClientPasses(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	lifted, passed := *story()[0], *story()[2]
	passed.Client, passed.Start = lifted.Client, lifted.Start.Add(time.Hour)
	observe(m, &lifted, &passed, story()[3])
	if got := series(t, m, `tlslift_client_last_lifted_timestamp_seconds{client="10.0.0.7"}`); got != "1.772366402e+09" {
		t.Errorf("last lifted is %s, want the end of the lifted connection", got)
	}
	if got := series(t, m, `tlslift_client_last_lifted_timestamp_seconds{client="10.0.0.8"}`); got != "absent" {
		t.Errorf("a client that was never lifted was last lifted at %s", got)
	}
}
