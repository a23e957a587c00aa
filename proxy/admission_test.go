package proxy

import (
	"net/netip"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

func reasonOf(err error) record.Reason {
	if err == nil {
		return ""
	}
	return asFailure(err).Reason
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	a := newAdmission(&Config{
		ClientNets:     []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")},
		MaxConnections: 3, MaxConnectionsPerClient: 2,
	})
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
		if got := reasonOf(a.admit(step.addr)); got != step.want {
			t.Errorf("admitting %s: got %q, want %q", step.addr, got, step.want)
		}
	}
	a.leave(one)
	if got := reasonOf(a.admit(two)); got != "" {
		t.Errorf("a freed place is not given again: %s", got)
	}
	a.leave(one)
	a.leave(two)
	a.leave(linkLocal)
	if a.total != 0 || len(a.perClient) != 0 {
		t.Errorf("after everybody left: %d connections, %d clients", a.total, len(a.perClient))
	}
}

func TestAdmissionUnderConcurrency(t *testing.T) {
	t.Parallel()
	a := newAdmission(&Config{
		ClientNets:     []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
		MaxConnections: 10, MaxConnectionsPerClient: 10,
	})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			for range 100 {
				if a.admit(addr) == nil {
					a.leave(addr)
				}
			}
		})
	}
	wg.Wait()
	if a.total != 0 || len(a.perClient) != 0 {
		t.Errorf("%d connections, %d clients left over", a.total, len(a.perClient))
	}
}
