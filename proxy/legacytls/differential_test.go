package legacytls

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
)

// An option is one choice of a client about one feature of its hello.
type option struct {
	name  string
	apply func(h *hello)
}

func extend(e ...extension) func(h *hello) {
	return func(h *hello) { h.extensions = append(slices.Clone(h.extensions), e...) }
}

func offersSuites(suites ...uint16) func(h *hello) { return func(h *hello) { h.suites = suites } }

func asIs(*hello) {}

// features are what hellos differ in; a hello has one option of each.
func features() [][]option {
	return [][]option{
		{
			{"TLS 1.0", func(h *hello) { h.version = tls.VersionTLS10 }},
			{"TLS 1.1", func(h *hello) { h.version = tls.VersionTLS11 }},
			{"TLS 1.2", func(h *hello) { h.version = tls.VersionTLS12 }},
			{"version 0304", func(h *hello) { h.version = 0x0304 }},
		}, {
			{"RSA", offersSuites(rsaAES128)},
			{"3DES and RC4", offersSuites(0x000a, 0x0005)},
			{"ECDHE", offersSuites(ecdheAES256, ecdheAES128)},
			{"ECDHE and RSA", offersSuites(0x0033, ecdheAES128, rsaAES128, 0x00ff)},
			{"suites of all versions", offersSuites(0xc030, 0xc02f, 0xc027, 0x009c, 0x003d, ecdheAES128, rsaAES256, 0x000a)},
			{"ECDSA and 3DES", offersSuites(0xc00a, 0xc009, 0xc012, 0x000a)},
		}, {
			{"no groups", asIs},
			{"P-256", extend(groupsOf(tls.CurveP256), pointsOf(0))},
			{"many groups", extend(groupsOf(1, 2, 3, 22, 25, 24, 23), pointsOf(0, 1, 2))},
			{"unknown groups", extend(groupsOf(1, 2, 3))},
			{"compressed points", extend(groupsOf(23), pointsOf(1))},
		}, {
			{"no signature algorithms", asIs},
			{"SHA-256", extend(signaturesOf(0x0403, 0x0401, 0x0201))},
			{"ECDSA's", extend(signaturesOf(0x0403))},
		}, {
			{"nothing more", asIs},
			{"a name and a ticket", extend(named("mail.example"), extension{extSessionTicket, nil}, extension{extRenegotiationInfo, []byte{0}})},
			{"much more", func(h *hello) {
				h.record, h.grain, h.compressions, h.session = versionSSL30, 40, []byte{1, 0}, make([]byte, 32)
				extend(extension{extExtendedMaster, nil}, extension{5, []byte{1, 0, 0, 0, 0}}, extension{13172, nil}, extension{22, nil},
					extension{extALPN, vec16(vec8([]byte("imap")))}, extension{0xaaaa, nil})(h)
			}},
		},
	}
}

// combinations calls do with a hello of every combination of options.
func combinations(all [][]option, name string, h hello, do func(name string, h hello)) {
	if len(all) == 0 {
		do(name, h)
		return
	}
	for _, o := range all[0] {
		next := h
		o.apply(&next)
		combinations(all[1:], name+", "+o.name, next, do)
	}
}

// cryptoTLSFlight is what the server of crypto/tls answers.
func cryptoTLSFlight(t testing.TB, config *tls.Config, h hello) *script {
	on := &tape{in: bytes.NewReader(h.wire())}
	if err := tls.Server(on, config).Handshake(); err == nil {
		t.Fatal("the client has said its hello only, and the handshake succeeds")
	}
	return heard(t, h, on.out.Bytes())
}

// Whatever crypto/tls serves as a server, we serve at the same version, with a
// suite of the client; and so do we for what it does not serve.
func TestLikeCryptoTLS(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	theirs := &tls.Config{Certificates: []tls.Certificate{*config.Certificate}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		theirs.CipherSuites = append(theirs.CipherSuites, s.ID)
	}
	var both, ours, neither int
	combinations(features(), "", hello{}, func(name string, h hello) {
		reference, c := cryptoTLSFlight(t, theirs, h), flight(t, config, h)
		switch {
		case c.err == nil && reference.err == nil:
			both++
			if c.answer.version != reference.answer.version {
				t.Errorf("%s: version %04x, of crypto/tls %04x", name[2:], c.answer.version, reference.answer.version)
			}
		case c.err == nil:
			ours++
		case reference.err == nil:
			t.Errorf("%s: %v, while crypto/tls serves it", name[2:], c.err)
		default:
			neither++
			return
		}
		if err := offered(h, c.answer); err != nil {
			t.Errorf("%s: %v", name[2:], err)
		}
	})
	t.Logf("both serve %d hellos, only we %d, and neither %d", both, ours, neither)
	if both < 500 {
		t.Errorf("both serve %d hellos only", both)
	}
}

// offered says what of an answer the client has not offered.
func offered(h hello, a answer) error {
	if !slices.Contains(h.suites, a.suite) {
		return fmt.Errorf("the suite %04x was not offered", a.suite)
	}
	if a.version > h.theVersion() {
		return fmt.Errorf("the version %04x was not offered", a.version)
	}
	for id := range a.extensions {
		scsv := id == extRenegotiationInfo && slices.Contains(h.suites, emptyRenegotiationSCSV)
		if !scsv && !slices.ContainsFunc(h.extensions, func(e extension) bool { return e.id == id }) {
			return fmt.Errorf("the extension %d was not offered", id)
		}
	}
	return nil
}
