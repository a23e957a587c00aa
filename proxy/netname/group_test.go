package netname

import (
	"net/netip"
	"testing"
)

func TestGroup(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		addr string
		bits int
		want string
	}{
		{"192.0.2.1", 0, "192.0.2.1/32"},
		{"::ffff:192.0.2.1", 64, "192.0.2.1/32"},
		{"127.0.0.1", 0, "127.0.0.0/8"},
		{"127.9.8.7", 128, "127.0.0.0/8"},
		{"::ffff:127.9.8.7", 0, "127.0.0.0/8"},
		{"::1", 0, "::/64"},
		{"2001:db8:1:2:3:4:5:6", 0, "2001:db8:1:2::/64"},
		{"2001:db8:1:2:3:4:5:6", 56, "2001:db8:1::/56"},
		{"2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6/128"},
		{"2001:db8:1:2:3:4:5:6", 999, "2001:db8:1:2:3:4:5:6/128"},
		{"fe80::1%eth0", 0, "fe80::/64"},
	} {
		if got := Group(netip.MustParseAddr(tc.addr), tc.bits); got.String() != tc.want {
			t.Errorf("%s with %d bits is in %s, want %s", tc.addr, tc.bits, got, tc.want)
		}
	}
	if got := Group(netip.Addr{}, 0); got.IsValid() {
		t.Errorf("no address is in %s", got)
	}
}
