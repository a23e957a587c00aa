package admission

import (
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

func reasonOf(err error) record.Reason {
	if err == nil {
		return ""
	}
	var f *record.Failure
	if !errors.As(err, &f) {
		return record.ReasonInternal
	}
	return f.Reason
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	a := New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}, 3, 2)
	one, two, untrusted := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("192.0.2.1")
	linkLocal := netip.MustParseAddr("fe80::1%eth0")

	for _, step := range []struct {
		addr netip.Addr
		want record.Reason
	}{
		{untrusted, record.ReasonClientNotAllowed},
		{netip.Addr{}, record.ReasonClientNotAllowed},
		{one, ""}, {one, ""}, {one, record.ReasonTooManyFromClient},
		{linkLocal, ""},
		{two, record.ReasonTooManyConnections},
	} {
		if got := reasonOf(a.Admit(step.addr)); got != step.want {
			t.Errorf("admitting %s: got %q, want %q", step.addr, got, step.want)
		}
	}
	a.Leave(one)
	if got := reasonOf(a.Admit(two)); got != "" {
		t.Errorf("a freed place is not given again: %s", got)
	}
	a.Leave(one)
	a.Leave(two)
	a.Leave(linkLocal)
	if a.total != 0 || len(a.perClient) != 0 {
		t.Errorf("after everybody left: %d connections, %d clients", a.total, len(a.perClient))
	}
}

func TestAdmissionUnderConcurrency(t *testing.T) {
	t.Parallel()
	a := New([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, 10, 10)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			for range 100 {
				if a.Admit(addr) == nil {
					a.Leave(addr)
				}
			}
		})
	}
	wg.Wait()
	if a.total != 0 || len(a.perClient) != 0 {
		t.Errorf("%d connections, %d clients left over", a.total, len(a.perClient))
	}
}
