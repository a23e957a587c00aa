package refusedhello

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
)

func shapeOf(i int) [16]byte { return [16]byte{byte(i), byte(i >> 8), byte(i >> 16)} }

func TestRefusalsExpireAndAreBounded(t *testing.T) {
	t.Parallel()
	r := New()
	d := policy.Destination{Host: "outlook.office365.com", Port: 443}
	client := netip.MustParseAddr("192.0.2.1")
	key := func(i int) Key { return Key{client, d, shapeOf(i)} }
	now := time.Now()
	r.Add(key(0), now)

	if !r.Has(key(0), now.Add(refusedAge-time.Second)) {
		t.Error("a refusal is forgotten too early")
	}
	if r.Has(key(0), now.Add(refusedAge)) {
		t.Error("a refusal is remembered for ever")
	}
	for name, other := range map[string]Key{
		"shape":       key(1),
		"destination": {client, policy.Destination{Host: d.Host, Port: 993}, shapeOf(0)},
		"client":      {netip.MustParseAddr("192.0.2.2"), d, shapeOf(0)},
	} {
		if r.Has(other, now) {
			t.Errorf("a refusal counts for another %s", name)
		}
		if got, want := r.HasOther(other, now.Add(refusedAge-time.Second)), name == "shape"; got != want {
			t.Errorf("after a refusal, one of another hello is known for another %s: %t", name, got)
		}
		if r.HasOther(other, now.Add(refusedAge)) {
			t.Errorf("a refusal is remembered for ever for another %s", name)
		}
	}

	for i := range 3 * maxRefused {
		r.Add(key(i), now)
	}
	if len(r.until) > maxRefused || len(r.order) > maxRefused {
		t.Errorf("remembers %d hellos in a list of %d", len(r.until), len(r.order))
	}
	if !r.Has(key(3*maxRefused-1), now) {
		t.Error("the newest refusal is forgotten")
	}
	// Old ones make room before live ones have to.
	later := now.Add(refusedAge)
	r.Add(key(-1), later)
	if len(r.until) != 1 || !r.Has(key(-1), later) {
		t.Errorf("%d expired hellos are kept", len(r.until)-1)
	}
}

// What is forgotten was not refused, and others stay.
func TestForget(t *testing.T) {
	t.Parallel()
	r, now := New(), time.Now()
	key := func(i int) Key { return Key{Hello: shapeOf(i)} }
	for i := range 3 {
		r.Add(key(i), now)
	}
	r.Forget(key(1))
	r.Forget(key(9))
	for i, want := range []bool{true, false, true} {
		if r.Has(key(i), now) != want {
			t.Errorf("hello %d is remembered: %v", i, !want)
		}
	}
	if len(r.order) != 2 {
		t.Errorf("a list of %d has %d", len(r.order), len(r.until))
	}
	r.Add(key(1), now)
	if !r.Has(key(1), now) {
		t.Error("what was forgotten is not learnt again")
	}
}
