package netname

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func parsePrefixes(t *testing.T, list string) []netip.Prefix {
	t.Helper()
	var all []netip.Prefix
	for s := range strings.FieldsSeq(list) {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func TestMerge(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                      "",
		"10.0.0.0/8":                            "10.0.0.0/8",
		"10.1.0.0/16 10.0.0.0/8 10.0.0.0/8":     "10.0.0.0/8",
		"10.1.2.3/16 10.1.0.0/24":               "10.1.0.0/16",
		"10.0.0.0/9 10.128.0.0/9":               "10.0.0.0/8",
		"10.128.0.0/9 10.64.0.0/10 10.0.0.0/10": "10.0.0.0/8",
		"10.0.1.0/24 10.0.2.0/24":               "10.0.1.0/24 10.0.2.0/24", // neighbours, but no halves
		"0.0.0.0/1 128.0.0.0/1":                 "0.0.0.0/0",
		"::/1 8000::/1 0.0.0.0/0":               "0.0.0.0/0 ::/0",
		"2001:db8:1::/48 2001:db8::/48":         "2001:db8::/47",
	} {
		if got := Merge(parsePrefixes(t, in)); !slices.Equal(got, parsePrefixes(t, want)) {
			t.Errorf("%s: got %v, want %s", in, got, want)
		}
	}
}

// FuzzMerge takes five bytes for each prefix, of a small space so that many
// overlap.
func FuzzMerge(f *testing.F) {
	f.Add([]byte{10, 0, 0, 0, 8, 10, 1, 0, 0, 16})
	f.Add([]byte{10, 0, 0, 0, 9, 10, 128, 0, 0, 9, 9, 0, 0, 0, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		var in []netip.Prefix
		for ; len(data) >= 5 && len(in) < 100; data = data[5:] {
			in = append(in, netip.PrefixFrom(netip.AddrFrom4([4]byte(data)), int(data[4]%33)))
		}
		out := Merge(in)
		for i := 1; i < len(out); i++ {
			if out[i-1].Overlaps(out[i]) || out[i-1].Addr().Compare(out[i].Addr()) >= 0 {
				t.Fatalf("%v: %v", in, out)
			}
		}
		contains := func(all []netip.Prefix, a netip.Addr) bool {
			return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
		}
		for _, p := range slices.Concat(in, out) {
			first := p.Masked().Addr()
			for _, a := range []netip.Addr{first, first.Prev(), lastOf(p), lastOf(p).Next()} {
				if a.IsValid() && contains(in, a) != contains(out, a) {
					t.Fatalf("%v: %v differs in %s", in, out, a)
				}
			}
		}
	})
}

func lastOf(p netip.Prefix) netip.Addr {
	first := p.Masked().Addr().As4()
	last := binary.BigEndian.Uint32(first[:]) | uint32(1<<(32-p.Bits())-1)
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, last)))
}
