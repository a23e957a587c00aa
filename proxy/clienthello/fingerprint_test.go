package clienthello

import (
	"slices"
	"testing"
)

// Chrome's hello of the specification of JA4, in its own order.
func chrome() *Hello {
	return &Hello{
		Version:           0x0303,
		SupportedVersions: []uint16{0x0304, 0x0303},
		CipherSuites: []uint16{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
			0x009c, 0x009d, 0x002f, 0x0035},
		Extensions: []uint16{0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
			0xff01, 0x000b, 0x000a, 0x0015},
		SignatureAlgorithms: []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
		ALPN:                []string{"h2", "http/1.1"},
	}
}

// The fingerprints that those who invented them have published.
func TestPublishedFingerprints(t *testing.T) {
	t.Parallel()
	if got, want := chrome().JA4(), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("JA4 %s, want %s", got, want)
	}
	shuffled := chrome()
	slices.Reverse(shuffled.Extensions)
	if got, want := shuffled.JA4(), chrome().JA4(); got != want {
		t.Errorf("JA4 %s with its extensions in another order, want %s", got, want)
	}
	for want, h := range map[string]*Hello{
		"ada70206e40642a3e4461f35503241d5": {
			Version:      769,
			CipherSuites: []uint16{47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4},
			Extensions:   []uint16{0, 10, 11}, Groups: []uint16{23, 24, 25}, PointFormats: []byte{0},
		},
		"de350869b8c85de67a350c8d186f11e6": {Version: 769, CipherSuites: []uint16{4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99}},
	} {
		if got := h.JA3(); got != want {
			t.Errorf("JA3 %s, want %s", got, want)
		}
	}
}

// The readable part of JA4, where it takes an unusual turn.
func TestJA4InWords(t *testing.T) {
	t.Parallel()
	const nothing = "_000000000000_000000000000"
	many := make([]uint16, 200)
	for i := range many {
		many[i] = uint16(i)
	}
	for _, test := range []struct {
		hello Hello
		want  string
	}{
		{Hello{Version: 0x0301}, "t10i000000" + nothing},
		{Hello{Version: 0x0302}, "t11i000000" + nothing},
		{Hello{Version: 0x0300}, "ts3i000000" + nothing},
		{Hello{Version: 0x0002, Format: SSLv2}, "ts2i000000" + nothing},
		{Hello{Version: 0x0303, SupportedVersions: []uint16{0x7f12}}, "t00i000000" + nothing},
		{Hello{Version: 0x0303, ALPN: []string{"h"}}, "t12i0000hh" + nothing},
		{Hello{Version: 0x0303, ALPN: []string{"http/1.1", "h2"}}, "t12i0000h1" + nothing},
		{Hello{Version: 0x0303, ALPN: []string{"\xab"}}, "t12i0000ab" + nothing},
		{Hello{Version: 0x0303, ALPN: []string{"\xab\xcd"}}, "t12i0000ad" + nothing},
		{Hello{Version: 0x0303, ALPN: []string{"0\xab"}}, "t12i00003b" + nothing},
		{Hello{Version: 0x0303, ALPN: []string{"0\xab\xcd1"}}, "t12i000001" + nothing},
		{Hello{Version: 0x0303, CipherSuites: many}, "t12i990000_"},
		{Hello{Version: 0x0303, Extensions: many}, "t12d009900_000000000000_"},
	} {
		if got := test.hello.JA4(); got[:min(len(got), len(test.want))] != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

// What real clients have; the same hello must keep its name from one version of
// tlslift to the next.
func TestFingerprintsOfSamples(t *testing.T) {
	t.Parallel()
	want := map[string][2]string{
		"gnutls-3.7-tls10.bin":        {"6740baf1748a6d61ee7946e690706073", "t10i080800_051fb07a0855_f8a36b20a605"},
		"java17-sslv2hello-tls10.bin": {"fc1bb107a17854db6c0c1016f0f3e6f8", "t10i530000_251bf7db9b1c_000000000000"},
		"java17-tls10.bin":            {"83aaeaeb59a7d6b1aac65339ae575aeb", "t10i530700_251bf7db9b1c_ddcc4a856434"},
		"openssl-0.9.8-default.bin":   {"4c92ea75fc4975cf31ac7d95ee04bd96", "t10i210000_e91ed181b052_000000000000"},
		"openssl-0.9.8-ssl3.bin":      {"a1b29e3c5f3c096b54cee5b0b994c302", "ts3i210000_e91ed181b052_000000000000"},
		"openssl-0.9.8-tls1.bin":      {"a04e2a4c646c5a5d16e4888052a71c8d", "t10i210100_e91ed181b052_e78b541c01a9"},
		"openssl-0.9.8e-default.bin":  {"96eba628dcb2b47607192ba74a3b55ba", "t10i200000_7a8729778d1e_000000000000"},
		"openssl-0.9.8e-ssl3.bin":     {"90c8f2e3af9f6c6b0344355457b8e7be", "ts3i200000_7a8729778d1e_000000000000"},
		"openssl-0.9.8e-tls1.bin":     {"96eba628dcb2b47607192ba74a3b55ba", "t10i200000_7a8729778d1e_000000000000"},
		"openssl-1.0.0-default.bin":   {"a47e59a740bd36a7209646c49c983233", "t10i460300_234845559c90_a875e5012fde"},
		"openssl-1.0.0-ssl3.bin":      {"f917ae2520ef9784557b0a3c02489c2c", "ts3i460000_234845559c90_000000000000"},
		"openssl-1.0.0-tls1.bin":      {"a47e59a740bd36a7209646c49c983233", "t10i460300_234845559c90_a875e5012fde"},
		"openssl-1.0.1-default.bin":   {"13020a4ccb11b2d3c9c0e6c285c3c415", "t12i800600_15c493246000_4446390ac224"},
		"openssl-1.0.1-ssl3.bin":      {"b8cac79389b8d9bb42f02dcfba33ba2d", "ts3i520000_80f1d282cb34_000000000000"},
		"openssl-1.0.1-tls1.bin":      {"eac1e02fdc11ed95620e479ee6691a35", "t10i520400_80f1d282cb34_282f11336259"},
		"openssl-1.0.2-default.bin":   {"8db0156960b349d5916558dcdcb38331", "t12i990500_d21f4c518548_a1e935682795"},
		"openssl-1.0.2-ssl3.bin":      {"ad7fdfbd821f038740bf0578cdbd3cad", "ts3i600000_2e5293772565_000000000000"},
		"openssl-1.0.2-tls1.bin":      {"926cea6da0ade24c282a0a58eaeea2c2", "t10i600400_2e5293772565_282f11336259"},
		"openssl-3.0-tls1.bin":        {"4921a5a1f7b5423a19d0db34c56c09f0", "t10i230500_44099cda8a52_195413a0cc0f"},
		"openssl-3.0-tls1_1.bin":      {"1cc6e836247808b61d8e8dfbc48ad934", "t11i230500_44099cda8a52_195413a0cc0f"},
	}
	for name, b := range samples(t) {
		h := mustPeek(t, b)
		if got := [2]string{h.JA3(), h.JA4()}; got != want[name] {
			t.Errorf("%q: {%q, %q},", name, got[0], got[1])
		}
	}
}

// GREASE differs from one connection to the next.
func TestGREASEDoesNotCount(t *testing.T) {
	t.Parallel()
	a, b := mustPeek(t, browser(0x2a2a, true)), mustPeek(t, browser(0xfafa, true))
	if a.JA3() != b.JA3() || a.JA4() != b.JA4() {
		t.Errorf("%s %s, and %s %s", a.JA3(), a.JA4(), b.JA3(), b.JA4())
	}
}

func BenchmarkFingerprints(b *testing.B) {
	h := chrome()
	b.ReportAllocs()
	for b.Loop() {
		if h.JA3() == h.JA4() {
			b.Fatal("they are the same")
		}
	}
}
