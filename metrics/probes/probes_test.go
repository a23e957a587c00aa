package probes

import (
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A result is as old as the first probe that has found the same without another one in
// between.
func TestSince(t *testing.T) {
	start := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	const a, b = "outlook.office365.com:443", "smtp.office365.com:587"
	var r Round
	if len(r.Last()) != 0 {
		t.Errorf("there are probes before the first round: %v", r.Last())
	}
	for i, tc := range []struct {
		a, b           record.Reason
		sinceA, sinceB int // minutes
	}{
		{"", record.ReasonUpstreamTimeout, 0, 0},
		{"", record.ReasonUpstreamTimeout, 0, 0},
		{record.ReasonDNSFailed, record.ReasonUpstreamTimeout, 2, 0},
		{record.ReasonDNSFailed, record.ReasonUpstreamUnreachable, 2, 3},
		{"", record.ReasonUpstreamUnreachable, 4, 3},
	} {
		at := start.Add(time.Duration(i) * time.Minute)
		r.Show([]Probe{{Destination: a, Reason: tc.a, At: at}, {Destination: b, Reason: tc.b, At: at}})
		got := r.Last()
		for n, since := range []int{tc.sinceA, tc.sinceB} {
			if want := start.Add(time.Duration(since) * time.Minute); !got[n].Since.Equal(want) || !got[n].At.Equal(at) {
				t.Errorf("round %d: %s is so since %v, want %v", i, got[n].Destination, got[n].Since, want)
			}
		}
	}
	// One that was not in a round begins anew.
	r.Show([]Probe{{Destination: b, At: start.Add(time.Hour)}})
	r.Show([]Probe{{Destination: a, At: start.Add(2 * time.Hour)}})
	if got := r.Last(); len(got) != 1 || !got[0].Since.Equal(start.Add(2*time.Hour)) {
		t.Errorf("got %+v", got)
	}
}
