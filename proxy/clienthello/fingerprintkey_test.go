package clienthello

import (
	"crypto/tls"
	"slices"
	"testing"
)

// browser is a hello as a browser sends it: with GREASE and in an order of
// extensions that both change with every connection, and so may the rest of
// what the arguments say.
func browser(grease uint16, shuffled bool, more ...[]byte) []byte {
	extensions := append([][]byte{
		extension(grease), extension(10, vec16(words(grease, 29, 23)...)...),
		extension(11, 1, 0), extension(13, vec16(words(0x0403, 0x0804)...)...),
		extension(16, vec16(2, 'h', '2')...), extension(43, vec8(words(grease, 0x0304, 0x0303)...)...),
	}, more...)
	if shuffled {
		slices.Reverse(extensions)
	}
	return draft{
		version: 0x0303, suites: []uint16{grease, 0x1301, 0xc02f}, compression: []byte{0},
		sessionID: words(grease), extensions: extensions,
	}.bytes()
}

func TestOneProgramHasOneShape(t *testing.T) {
	t.Parallel()
	want := mustPeek(t, browser(0x0a0a, false)).FingerprintKey()
	for name, b := range map[string][]byte{
		"other GREASE":       browser(0xfafa, false),
		"shuffled":           browser(0x1a1a, true),
		"with a server name": browser(0x0a0a, false, sni("a.example")),
		"padded":             browser(0x0a0a, false, extension(21, 0, 0, 0)),
		"resuming":           browser(0x0a0a, false, extension(42), extension(41, 1, 2, 3)),
		"asked to retry":     browser(0x0a0a, false, extension(44, 0, 1, 7)),
		"fragmented":         fragment(0x0301, unfragment(browser(0x0a0a, false)), 10),
	} {
		if mustPeek(t, b).FingerprintKey() != want {
			t.Errorf("%s: another shape", name)
		}
	}
	config := func(name string) *tls.Config { return &tls.Config{ServerName: name} }
	if mustPeek(t, firstFlight(t, config("a.example"))).FingerprintKey() != mustPeek(t, firstFlight(t, config("b.example"))).FingerprintKey() {
		t.Error("two connections of crypto/tls have two shapes")
	}
}

func TestOtherProgramsHaveOtherShapes(t *testing.T) {
	t.Parallel()
	base := Hello{
		Version: 0x0303, SupportedVersions: []uint16{0x0303}, CipherSuites: []uint16{1, 2}, Groups: []uint16{3},
		SignatureAlgorithms: []uint16{4}, PointFormats: []byte{0}, Extensions: []uint16{10, 11}, ALPN: []string{"a", "b"},
	}
	shapes := map[[16]byte]string{base.FingerprintKey(): "base"}
	for name, change := range map[string]func(*Hello){
		"format":               func(h *Hello) { h.Format = SSLv2 },
		"SSL 2.0 suites":       func(h *Hello) { h.HasSSL2Ciphers = true },
		"version":              func(h *Hello) { h.Version = 0x0302 },
		"supported versions":   func(h *Hello) { h.SupportedVersions = []uint16{0x0304, 0x0303} },
		"suites":               func(h *Hello) { h.CipherSuites = []uint16{1, 3} },
		"order of suites":      func(h *Hello) { h.CipherSuites = []uint16{2, 1} },
		"suite moved to group": func(h *Hello) { h.CipherSuites, h.Groups = []uint16{1}, []uint16{2, 3} },
		"groups":               func(h *Hello) { h.Groups = nil },
		"signatures":           func(h *Hello) { h.SignatureAlgorithms = []uint16{5} },
		"points":               func(h *Hello) { h.PointFormats = []byte{1} },
		"extensions":           func(h *Hello) { h.Extensions = []uint16{10, 11, 23} },
		"ALPN":                 func(h *Hello) { h.ALPN = []string{"a"} },
		"ALPN run together":    func(h *Hello) { h.ALPN = []string{`a" "b`} },
	} {
		h := base
		change(&h)
		if other, taken := shapes[h.FingerprintKey()]; taken {
			t.Errorf("%s has the shape of %s", name, other)
		}
		shapes[h.FingerprintKey()] = name
	}
}

func TestSamplesHaveShapesOfTheirOwn(t *testing.T) {
	t.Parallel()
	shapes := map[[16]byte]string{}
	for name, b := range samples(t) {
		if name == "openssl-1.0.0-default.bin" {
			continue // sends what it sends with -tls1
		}
		shape := mustPeek(t, b).FingerprintKey()
		if other, taken := shapes[shape]; taken {
			t.Errorf("%s has the shape of %s", name, other)
		}
		shapes[shape] = name
	}
}
