package clienthello

import (
	"bytes"
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

// What is random does not count.
func TestOneProgramHasOneKey(t *testing.T) {
	t.Parallel()
	key := func(b []byte) [16]byte { return mustPeek(t, b).FingerprintKey() }
	want := key(browser(0x0a0a, false))
	for name, b := range map[string][]byte{
		"other GREASE": browser(0xfafa, false),
		"shuffled":     browser(0x1a1a, true),
		"padded":       browser(0x0a0a, false, extension(21, 0, 0, 0)),
	} {
		if key(b) != want {
			t.Errorf("%s: another key", name)
		}
	}
	shares := func(grease, group uint16, share ...byte) []byte {
		list := slices.Concat(words(grease), vec16(1), words(group), vec16(share...))
		return browser(0x0a0a, false, extension(51, vec16(list...)...))
	}
	for name, pair := range map[string][2][]byte{
		"shares":          {shares(0x0a0a, 29, 1, 2, 3), shares(0x2a2a, 29, 4, 5, 6)},
		"tickets":         {browser(0x0a0a, false, extension(35)), browser(0x0a0a, false, extension(35, 1, 2, 3))},
		"pre-shared keys": {browser(0x0a0a, false, extension(41, 1)), browser(0x0a0a, false, extension(41, 2, 3))},
		"a session":       {browser(0x0a0a, false), browser(0x0a0a, false, extension(42), extension(41, 1))},
	} {
		if key(pair[0]) != key(pair[1]) {
			t.Errorf("%s: two keys", name)
		}
	}
	if key(shares(0x0a0a, 29, 1, 2, 3)) == key(shares(0x0a0a, 29, 1, 2)) {
		t.Error("a share that is too short does not count")
	}
	config := &tls.Config{ServerName: "a.example"}
	if first := key(firstFlight(t, config)); first != key(firstFlight(t, config)) {
		t.Error("two connections of crypto/tls have two keys")
	}
}

// A hello that a server may judge otherwise has another key, also where what is read of
// it is the same.
func TestOtherHellosHaveOtherKeys(t *testing.T) {
	t.Parallel()
	good := func() draft {
		return draft{
			version: 0x0303, suites: []uint16{1, 2}, compression: []byte{0},
			extensions: [][]byte{extension(10, vec16(words(23)...)...), extension(13, vec16(words(0x0401)...)...), extension(16, vec16(1, 'a')...)},
		}
	}
	keys := map[[16]byte]string{mustPeek(t, good().bytes()).FingerprintKey(): "base"}
	add := func(name string, b []byte) {
		key := mustPeek(t, b).FingerprintKey()
		if other, taken := keys[key]; taken {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[key] = name
	}
	for name, change := range map[string]func(*draft){
		"version":              func(d *draft) { d.version = 0x0302 },
		"suites":               func(d *draft) { d.suites = []uint16{1, 3} },
		"order of suites":      func(d *draft) { d.suites = []uint16{2, 1} },
		"compression":          func(d *draft) { d.compression = []byte{1, 0} },
		"no compression":       func(d *draft) { d.compression = nil },
		"a long session ID":    func(d *draft) { d.sessionID = make([]byte, 33) },
		"groups":               func(d *draft) { d.extensions[0] = extension(10, vec16(words(24)...)...) },
		"signatures":           func(d *draft) { d.extensions[1] = extension(13, vec16(words(0x0501)...)...) },
		"half a signature":     func(d *draft) { d.extensions[1] = extension(13, vec16(4, 1, 4)...) },
		"ALPN":                 func(d *draft) { d.extensions[2] = extension(16, vec16(1, 'b')...) },
		"ALPN with no name":    func(d *draft) { d.extensions[2] = extension(16, vec16(1, 'a', 0)...) },
		"another extension":    func(d *draft) { d.extensions = append(d.extensions, extension(23)) },
		"its content":          func(d *draft) { d.extensions = append(d.extensions, extension(23, 1)) },
		"its content, twice":   func(d *draft) { d.extensions = append(d.extensions, extension(23), extension(23)) },
		"a fragment length":    func(d *draft) { d.extensions = append(d.extensions, extension(1, 9)) },
		"a server name":        func(d *draft) { d.extensions = append(d.extensions, sni("a.example")) },
		"two server names":     func(d *draft) { d.extensions = append(d.extensions, sni("a.example", "b.example")) },
		"asked to retry":       func(d *draft) { d.extensions = append(d.extensions, extension(44, 0, 1, 7)) },
		"padding that is none": func(d *draft) { d.extensions = append(d.extensions, extension(21, 0, 1)) },
		"no extensions":        func(d *draft) { d.extensions = nil },
		"an empty list":        func(d *draft) { d.extensions = [][]byte{} },
	} {
		d := good()
		change(&d)
		add(name, d.bytes())
	}
	add("record version", record(0x0300, good().message()))
	add("fragments", fragment(0x0301, good().message(), 20))
	specs := []byte{0, 0, 47}
	add("SSLv2 format", sslv2(sslv2Body(0x0303, specs, 0, 32)))
	add("a short challenge", sslv2(sslv2Body(0x0303, specs, 0, 16)))
	add("SSL 2.0 suites", sslv2(sslv2Body(0x0303, append([]byte{1, 0, 128}, specs...), 0, 32)))
}

func TestSamplesHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	keys := map[[16]byte]string{}
	for name, b := range samples(t) {
		if name == "openssl-1.0.0-default.bin" {
			continue // sends what it sends with -tls1
		}
		key := mustPeek(t, b).FingerprintKey()
		if other, taken := keys[key]; taken {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[key] = name
	}
}

// The refusal of a hello that names an earlier session, or by an alert that may be about
// a share of a key, says nothing of others with the same key.
func TestRefusalCounts(t *testing.T) {
	t.Parallel()
	old := func(change func(*draft)) []byte {
		d := draft{version: 0x0303, suites: []uint16{0xc02f}, compression: []byte{0}, extensions: [][]byte{extension(35)}}
		change(&d)
		return d.bytes()
	}
	share := extension(51, vec16(slices.Concat(words(29), vec16(1, 2, 3))...)...)
	for name, tt := range map[string]struct {
		hello            []byte
		failure, illegal bool // whether handshake_failure counts, and illegal_parameter
	}{
		"TLS 1.2":                {old(func(*draft) {}), true, true},
		"TLS 1.2, a ticket":      {old(func(d *draft) { d.extensions[0] = extension(35, 1) }), false, false},
		"TLS 1.2, two tickets":   {old(func(d *draft) { d.extensions = append(d.extensions, extension(35, 1)) }), false, false},
		"TLS 1.2, a session ID":  {old(func(d *draft) { d.sessionID = make([]byte, 32) }), true, false},
		"TLS 1.3":                {browser(0x0a0a, false), true, false},
		"TLS 1.3, a share":       {browser(0x0a0a, false, share), true, false},
		"TLS 1.3, ECH":           {browser(0x0a0a, false, extension(0xfe0d, 0)), true, false},
		"TLS 1.3, a session":     {browser(0x0a0a, false, share, extension(41, 1)), false, false},
		"TLS 1.3, an old ticket": {browser(0x0a0a, false, extension(35, 1)), false, false},
	} {
		h := mustPeek(t, tt.hello)
		if h.RefusalCounts(40) != tt.failure {
			t.Errorf("%s: handshake_failure counts: %t", name, !tt.failure)
		}
		for _, alert := range []uint8{47, 50, 51} {
			if h.RefusalCounts(alert) != tt.illegal {
				t.Errorf("%s: alert %d counts: %t", name, alert, !tt.illegal)
			}
		}
	}
}

// Shares that are not well-formed are never taken for others, whatever is in them.
func TestSharesThatAreNotWellFormed(t *testing.T) {
	wellFormed := []byte{0, 6, 0x00, 0x1d, 0, 2, 7, 7}
	counts := appendShares(nil, wellFormed)
	if other := appendShares(nil, []byte{0, 6, 0x00, 0x1d, 0, 2, 8, 8}); !bytes.Equal(counts, other) {
		t.Errorf("the share itself counts: %x, not %x", other, counts)
	}
	for _, data := range [][]byte{counts, counts[1:], wellFormed[:7], append(wellFormed, 0)} {
		if got := appendShares(nil, data); bytes.Equal(got, counts) {
			t.Errorf("%x counts as %x", data, got)
		}
	}
}
