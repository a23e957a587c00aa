package proxy

import (
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
)

func shapeOf(i int) [16]byte { return [16]byte{byte(i), byte(i >> 8), byte(i >> 16)} }

func TestRefusalsExpireAndAreBounded(t *testing.T) {
	t.Parallel()
	r := newRefusals()
	d := policy.Destination{Host: "outlook.office365.com", Port: 443}
	now := time.Now()
	r.add(d, shapeOf(0), now)

	if !r.has(d, shapeOf(0), now.Add(refusalAge-time.Second)) {
		t.Error("a refusal is forgotten too early")
	}
	if r.has(d, shapeOf(0), now.Add(refusalAge)) {
		t.Error("a refusal is remembered for ever")
	}
	if r.has(d, shapeOf(1), now) || r.has(policy.Destination{Host: d.Host, Port: 993}, shapeOf(0), now) {
		t.Error("a refusal counts for another shape or destination")
	}

	for i := range 3 * maxRefusal {
		r.add(d, shapeOf(i), now)
	}
	if len(r.until) > maxRefusal || len(r.order) > maxRefusal {
		t.Errorf("remembers %d refusals in a list of %d", len(r.until), len(r.order))
	}
	if !r.has(d, shapeOf(3*maxRefusal-1), now) {
		t.Error("the newest refusal is forgotten")
	}
	// Old ones make room before live ones have to.
	later := now.Add(refusalAge)
	r.add(d, shapeOf(-1), later)
	if len(r.until) != 1 || !r.has(d, shapeOf(-1), later) {
		t.Errorf("%d expired refusals are kept", len(r.until)-1)
	}
}
