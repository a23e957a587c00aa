package netname

import (
	"net/netip"
	"testing"

	"go4.org/netipx"
)

func TestSpecial(t *testing.T) {
	t.Parallel()
	special := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1",
		"100.127.255.255", "127.0.0.1", "127.255.0.1", "168.63.129.16",
		"169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
		"198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
		"239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::ffff:0:7f00:1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
		"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",
		"64:ff9b:1::808:808", "64:ff9b:1:a00:0:800:0:0",
		"100::1", "2001::1", "2001:0:4136:e378:8000:63bf:80ff:fffe",
		"2001:2::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::1",
		"2002:a00:1::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00::1",
		"fd00:ec2::254", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1",
		"ff02::1", "ff0e::1",
		// Where the lists that this one replaces differed.
		"192.88.99.0", "192.88.99.255", "3fff:0fff::1", "2001:1ff:ffff::1", "2001:20::1",
		"::ffff:168.63.129.16", "64:ff9b::168.63.129.16", "64:ff9b::192.88.99.1", "::ffff:192.88.99.1", "2002:a83f:8110::1",
	}
	for _, text := range special {
		if !Special(netip.MustParseAddr(text)) {
			t.Errorf("%s is public", text)
		}
	}
	public := []string{
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
		"126.255.255.255", "128.0.0.0", "168.63.129.15", "169.253.255.255",
		"169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255",
		"192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "223.255.255.255", "40.96.0.1", "::ffff:40.96.0.1",
		"64:ff9b::40.96.0.1", "2603:1026::1", "2a01:111:f400::1", "2001:4860::8888",
		"168.63.129.17", "192.88.98.255", "192.88.100.0", "2001:200::1", "2000:ffff::1", "3fff:1000::1", "3ffe:ffff::1",
		"::ffff:168.63.129.15", "64:ff9b::168.63.129.17",
	}
	for _, text := range public {
		if Special(netip.MustParseAddr(text)) {
			t.Errorf("%s is special", text)
		}
	}
	if !Special(netip.Addr{}) {
		t.Error("the zero address is public")
	}
}

func TestSpecialPrefix(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"10.1.0.0/16", "127.0.0.0/12", "169.254.169.254/32", "100.64.0.0/12", "239.0.0.0/12", "255.255.255.255/32",
		"0.0.0.0/0", "224.0.0.0/3", "fd00::/32", "::1/128", "fe80::/64", "2001:db8:1::/48", "2002:a00::/32", "::/0",
		// Wider than a special one, and around it.
		"192.160.0.0/12", "192.88.0.0/16", "198.51.100.0/25", "2001::/16", "2000::/3",
		"2000::/2", "2001:db8::/31", "3ff0::/12",
		// Where the lists that this one replaces differed.
		"168.63.129.16/32", "192.88.99.0/24", "192.88.99.128/25", "3fff::/20", "3fff:800::/24", "2001::/23", "2001::/32",
		"2001:100::/24", "2001:1ff::/32",
		// IPv4 addresses in IPv6, public ones too.
		"::ffff:10.0.0.0/104", "::ffff:13.107.6.152/127", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b::d6b:698/127",
		"64:ff9b:1::/48",
	} {
		if !SpecialPrefix(netip.MustParsePrefix(text)) {
			t.Errorf("%s is public", text)
		}
	}
	for _, text := range []string{
		"13.107.6.152/31", "52.96.0.0/14", "168.63.129.0/28", "192.88.98.0/24", "191.0.0.0/8",
		"2603:1000::/24",
		// Around a single special address.
		"168.63.0.0/16", "168.63.129.16/31",
		"2001:200::/23", "3fff:1000::/20", "2a01:111:f400::/48",
	} {
		if SpecialPrefix(netip.MustParsePrefix(text)) {
			t.Errorf("%s is special", text)
		}
	}
	if !SpecialPrefix(netip.Prefix{}) {
		t.Error("the zero prefix is public")
	}
}

// Every row of the table is special from its first address to its last one,
// alone and as an IPv6 address that leads to it.
func TestSpecialTable(t *testing.T) {
	t.Parallel()
	for _, p := range specialPrefixes {
		if p != p.Masked() {
			t.Errorf("%s is not masked", p)
		}
		for _, a := range []netip.Addr{p.Addr(), netipx.PrefixLastIP(p)} {
			if !Special(a) || !Special(netip.AddrFrom16(a.As16())) {
				t.Errorf("%s of %s is public", a, p)
			}
			four := a.As16()
			nat64 := netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 12: four[12], 13: four[13], 14: four[14], 15: four[15]})
			if a.Is4() && !Special(nat64) {
				t.Errorf("%s of %s is public by NAT64", a, p)
			}
		}
	}
}
