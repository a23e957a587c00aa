package clienttls

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/ticketkeys"
)

const (
	ecdheRSA   = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
	ecdheECDSA = tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
	rsaAES     = tls.TLS_RSA_WITH_AES_128_CBC_SHA
	rsaGCM     = tls.TLS_RSA_WITH_AES_128_GCM_SHA256
	ecdheGCM   = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256

	ecdsaSHA256, ecdsaSHA1, rsaSHA256, rsaSHA1, pssSHA256 = 0x0403, 0x0203, 0x0401, 0x0201, 0x0804
)

// offering is a hello with both kinds of ECDHE, and P-256.
func offering(version uint16, change func(h *clienthello.Hello)) *clienthello.Hello {
	h := &clienthello.Hello{
		Version: version, CipherSuites: []uint16{rsaAES, ecdheRSA, ecdheECDSA}, Groups: []uint16{29, 23}, PointFormats: []byte{0},
		Extensions: []uint16{0, extGroups, extPoints, 35},
	}
	if version >= tls.VersionTLS12 {
		h.SignatureAlgorithms = []uint16{ecdsaSHA256, pssSHA256, rsaSHA256, rsaSHA1}
		h.Extensions = append(h.Extensions, extSignatures)
	}
	if change != nil {
		change(h)
	}
	return h
}

// Who gets an ECDSA key: with each setting, whoever can do with one kind only gets that.
func TestLeafKey(t *testing.T) {
	t.Parallel()
	const (
		never   = iota
		always  // with every setting
		onOrder // with the setting ecdsa alone
		byAuto  // with auto, and with ecdsa
	)
	const v10, v11, v12 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12
	tls13 := func(h *clienthello.Hello) {
		h.SupportedVersions, h.CipherSuites = []uint16{tls.VersionTLS13}, []uint16{tls.TLS_AES_128_GCM_SHA256}
	}
	signatures := func(all ...uint16) func(h *clienthello.Hello) {
		return func(h *clienthello.Hello) { h.SignatureAlgorithms = all }
	}
	certificates := func(all ...uint16) func(h *clienthello.Hello) {
		return func(h *clienthello.Hello) {
			h.Extensions, h.CertSignatures = append(h.Extensions, extCertSignatures), all
		}
	}
	suites := func(all ...uint16) func(h *clienthello.Hello) {
		return func(h *clienthello.Hello) { h.CipherSuites = all }
	}
	and := func(all ...func(h *clienthello.Hello)) func(h *clienthello.Hello) {
		return func(h *clienthello.Hello) {
			for _, one := range all {
				one(h)
			}
		}
	}
	for _, row := range []struct {
		name   string
		h      *clienthello.Hello
		leaf   clientfile.Leaf
		expect int
	}{
		{"TLS 1.0", offering(v10, nil), clientfile.Leaf{}, onOrder},
		{"TLS 1.1", offering(v11, nil), clientfile.Leaf{}, onOrder},
		{"TLS 1.0 with signatures", offering(v10, signatures(ecdsaSHA256, rsaSHA256)), clientfile.Leaf{}, onOrder},
		{"TLS 1.2", offering(v12, nil), clientfile.Leaf{}, byAuto},
		{"TLS 1.2 without signatures", offering(v12, func(h *clienthello.Hello) {
			h.SignatureAlgorithms, h.Extensions = nil, []uint16{0, extGroups, extPoints, 35}
		}), clientfile.Leaf{}, onOrder},
		{"TLS 1.2, ECDSA with SHA-1 alone", offering(v12, signatures(ecdsaSHA1, rsaSHA256)), clientfile.Leaf{}, onOrder},
		{"TLS 1.2, and no signature of RSA for the CA", offering(v12, signatures(ecdsaSHA256)), clientfile.Leaf{}, onOrder},
		{"TLS 1.2, RSA with SHA-1 alone", offering(v12, signatures(ecdsaSHA256, rsaSHA1)), clientfile.Leaf{}, onOrder},
		{"TLS 1.2, no signature of ECDSA", offering(v12, signatures(rsaSHA256)), clientfile.Leaf{}, never},
		{"TLS 1.2, no signature of RSA in certificates", offering(v12, certificates(ecdsaSHA256)), clientfile.Leaf{}, onOrder},
		{"TLS 1.2, an RSA signature in certificates alone", offering(v12, and(signatures(ecdsaSHA256, pssSHA256), certificates(rsaSHA256))),
			clientfile.Leaf{}, byAuto},
		{"TLS 1.2, nonsense about certificates", offering(v12, certificates()), clientfile.Leaf{}, onOrder},
		{"without P-256", offering(v12, func(h *clienthello.Hello) { h.Groups = []uint16{24, 29} }), clientfile.Leaf{}, never},
		{"without groups", offering(v10, func(h *clienthello.Hello) { h.Groups, h.Extensions = nil, []uint16{0} }), clientfile.Leaf{}, never},
		{"compressed points alone", offering(v12, func(h *clienthello.Hello) { h.PointFormats = []byte{1, 2} }), clientfile.Leaf{}, never},
		{"a stronger suite for RSA", offering(v12, suites(ecdheGCM, ecdheECDSA)), clientfile.Leaf{}, never},
		{"RSA key exchange beside", offering(v12, suites(rsaGCM, ecdheECDSA)), clientfile.Leaf{}, byAuto},
		{"no suite for ECDSA", offering(v12, suites(ecdheRSA, rsaAES)), clientfile.Leaf{}, never},
		{"no suite for RSA, TLS 1.0", offering(v10, suites(ecdheECDSA)), clientfile.Leaf{}, always},
		{"no suite for RSA, TLS 1.2", offering(v12, and(suites(ecdheECDSA), signatures(ecdsaSHA256))), clientfile.Leaf{}, always},
		{"no signature for RSA, TLS 1.2", offering(v12, and(suites(ecdheRSA, ecdheECDSA), signatures(ecdsaSHA256))), clientfile.Leaf{}, always},
		{"TLS 1.3", offering(v12, tls13), clientfile.Leaf{}, byAuto},
		{"TLS 1.3, no signature of ECDSA", offering(v12, and(tls13, signatures(pssSHA256, rsaSHA256))), clientfile.Leaf{}, never},
		{"TLS 1.3, no signature of PKCS #1", offering(v12, and(tls13, signatures(ecdsaSHA256, pssSHA256))), clientfile.Leaf{}, onOrder},
		{"TLS 1.3, ECDSA alone", offering(v12, and(tls13, signatures(ecdsaSHA256, rsaSHA256))), clientfile.Leaf{}, always},
		{"rsa by file", offering(v12, nil), clientfile.Leaf{KeyType: clientfile.KeyTypeRSA}, never},
		{"rsa by file, no suite for it", offering(v12, suites(ecdheECDSA)), clientfile.Leaf{KeyType: clientfile.KeyTypeRSA}, always},
		{"ecdsa by file", offering(v10, nil), clientfile.Leaf{KeyType: clientfile.KeyTypeECDSA}, always},
		{"a short key by file", offering(v12, nil), clientfile.Leaf{Bits: 1024}, never},
		{"SHA-1 by file", offering(v12, nil), clientfile.Leaf{Hash: clientfile.HashSHA1}, onOrder},
	} {
		for kind, expected := range map[clientfile.KeyType][]int{
			clientfile.KeyTypeUnset: {always, byAuto}, clientfile.KeyTypeAuto: {always, byAuto},
			clientfile.KeyTypeRSA: {always}, clientfile.KeyTypeECDSA: {always, byAuto, onOrder},
		} {
			s := New(Config{KeyType: kind})
			c := &Client{Hello: row.h, Stack: decide.Decide(row.h, decide.Circumstance{}).Stack, Options: clientfile.Options{Leaf: row.leaf}}
			if c.Stack == decide.NoStack {
				t.Errorf("%s: it is not served", row.name)
			}
			if got, want := s.getsECDSA(c), slices.Contains(expected, row.expect); got != want {
				t.Errorf("%s, setting %d: %v, want %v", row.name, kind, got, want)
			}
			s.refusedECDSA.add(c.group(), time.Now())
			if got, want := s.getsECDSA(c), row.expect == always && row.leaf.KeyType != clientfile.KeyTypeECDSA; got != want {
				t.Errorf("%s, setting %d, after a refusal: %v, want %v", row.name, kind, got, want)
			}
		}
	}
}

// Of the recorded hellos of old clients, none gets an ECDSA key by default: what is below
// TLS 1.2 does not say what it can verify.
func TestLeafKeyOfRecordedHellos(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../clienthello/testdata/*.bin")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d recorded hellos, %v", len(files), err)
	}
	auto, ecdsa := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".bin")
		auto[name], ecdsa[name] = keysOf(t, b)
	}
	for name := range auto {
		wantAuto := name == "openssl-1.0.1-default" || name == "openssl-1.0.2-default"
		want := wantAuto || slices.Contains([]string{
			"gnutls-3.7-tls10", "java17-tls10", "openssl-1.0.0-default", "openssl-1.0.0-tls1", "openssl-1.0.1-tls1", "openssl-1.0.2-tls1",
			"openssl-3.0-tls1", "openssl-3.0-tls1_1",
		}, name)
		if auto[name] != wantAuto || ecdsa[name] != want {
			t.Errorf("%s: ECDSA with auto: %v, with ecdsa: %v", name, auto[name], ecdsa[name])
		}
	}
}

// keysOf reports whether a client that sends this gets an ECDSA key with the setting auto,
// and with ecdsa.
func keysOf(t *testing.T, raw []byte) (auto, ecdsa bool) {
	t.Helper()
	h, err := clienthello.Peek(bufio.NewReaderSize(bytes.NewReader(raw), clienthello.MaxSize))
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{Hello: h, Stack: decide.Decide(h, decide.Circumstance{}).Stack}
	if c.Stack == decide.NoStack {
		return false, false
	}
	return New(Config{}).getsECDSA(c), New(Config{KeyType: clientfile.KeyTypeECDSA}).getsECDSA(c)
}

// The simulated clients of testssl.sh: by default only those with TLS 1.2 get an ECDSA
// key; with the setting ecdsa most do, and Secure Transport of 2012 never.
func TestLeafKeyOfSimulatedClients(t *testing.T) {
	t.Parallel()
	const file = "/etc/testssl/client-simulation.txt"
	testenv.Need(t, file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	old, oldECDSA, modern := 0, 0, 0
	for line := range strings.Lines(string(text)) {
		field, value, ok := strings.Cut(strings.TrimSpace(line), `+=("`)
		value = strings.TrimSuffix(value, `")`)
		switch {
		case !ok:
		case field == "names":
			name = value
		case field == "handshakebytes":
			raw, err := hex.DecodeString(value)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			auto, ecdsa := keysOf(t, raw)
			isOld := raw[9] == 3 && raw[10] < 3 // of those in SSLv2 format, none names a group
			switch {
			case auto && (isOld || !ecdsa):
				t.Errorf("%s: gets an ECDSA key by default", name)
			case ecdsa && (strings.Contains(name, "Safari 5") || strings.Contains(name, "Safari 6.0")):
				t.Errorf("%s: gets an ECDSA key", name)
			case isOld:
				old++
				if ecdsa {
					oldECDSA++
				}
			case auto:
				modern++
			}
			t.Logf("%-40s old %-5v auto %-5v ecdsa %v", name, isOld, auto, ecdsa)
		}
	}
	t.Logf("with ecdsa, %d of %d clients below TLS 1.2 get an ECDSA key; by default, %d newer ones", oldECDSA, old, modern)
	if oldECDSA < 20 || modern < 50 {
		t.Errorf("with ecdsa, only %d of %d clients below TLS 1.2 get an ECDSA key; by default, only %d newer ones", oldECDSA, old, modern)
	}
}

// A refuser is a client that does not accept a leaf with an ECDSA key.
type refuser struct {
	name    string
	version uint16
	refuse  func(conn net.Conn) error // what it does when it has seen one
	remains bool                      // it gets one again: that was not the reason
}

// After a leaf with an ECDSA key was refused, in whatever way, the client gets RSA keys.
func TestRefusedECDSA(t *testing.T) {
	t.Parallel()
	ca, err := localca.Open(localca.Options{Dir: filepath.Join(t.TempDir(), "ca")})
	if err != nil {
		t.Fatal(err)
	}
	alert := func(a byte) func(net.Conn) error {
		return func(conn net.Conn) error {
			_, _ = conn.Write([]byte{21, 3, 1, 0, 2, 2, a})
			return errors.New("refused")
		}
	}
	end := func(net.Conn) error { return errors.New("refused") }
	for _, r := range []refuser{
		{"bad_certificate", tls.VersionTLS10, alert(42), false}, {"unsupported_certificate", tls.VersionTLS12, alert(43), false},
		{"certificate_unknown", tls.VersionTLS11, alert(46), false}, {"handshake_failure", tls.VersionTLS10, alert(40), false},
		{"illegal_parameter", tls.VersionTLS10, alert(47), false}, {"decrypt_error", tls.VersionTLS10, alert(51), false},
		{"internal_error", tls.VersionTLS12, alert(80), false}, {"no word", tls.VersionTLS10, end, false},
		{"unknown_ca", tls.VersionTLS10, alert(48), true}, {"certificate_expired", tls.VersionTLS12, alert(45), true},
		{"TLS 1.3, bad_certificate", tls.VersionTLS13, nil, false},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			keys, err := ticketkeys.Open(ticketkeys.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s := New(Config{CA: ca, Tickets: keys, KeyType: clientfile.KeyTypeECDSA, Timeout: testenv.Patience})
			one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
			for i, visit := range []struct {
				from  netip.Addr
				ecdsa bool
			}{{one, true}, {one, r.remains}, {other, true}, {one, r.remains}} {
				if got := r.visit(t, s, visit.from); got != visit.ecdsa {
					t.Errorf("visit %d: an ECDSA key: %v", i, got)
				}
				s = s.With(s.Config) // as at a reload
			}
		})
	}
}

// visit connects once, and reports whether the leaf had an ECDSA key.
func (r refuser) visit(t *testing.T, s *Server, from netip.Addr) (saw bool) {
	t.Helper()
	near, far := testenv.Pipe(t)
	ended := make(chan error, 1)
	go func() {
		defer far.Close()
		ended <- serveOnce(s, far, from)
	}()
	client := tls.Client(near, &tls.Config{
		RootCAs: (&testenv.Authority{Certificate: s.CA.Certificate()}).Roots(), ServerName: resumeHost,
		MinVersion: r.version, MaxVersion: r.version,
		CipherSuites: []uint16{ecdheRSA, ecdheECDSA},
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, isRSA := cs.PeerCertificates[0].PublicKey.(interface{ Size() int })
			saw = !isRSA
			switch {
			case saw && r.refuse == nil:
				return errors.New("refused") // crypto/tls says bad_certificate
			case saw:
				return r.refuse(near)
			}
			return nil
		},
	})
	if saw && r.refuse != nil {
		near.Close()
	}
	_, err := client.Read(make([]byte, 1))
	near.Close()
	var f *record.Failure
	switch served := <-ended; {
	case saw != (err != nil), saw != (served != nil):
		t.Errorf("an ECDSA key: %v, the client ended with %v, and we with %v", saw, err, served)
	case saw && r.refuse != nil && !r.remains && (!errors.As(served, &f) || !strings.Contains(f.Error(), "an ECDSA key")):
		t.Errorf("the failure does not name the kind of the key: %v", served)
	}
	return saw
}

// serveOnce serves one connection, and returns why it failed.
func serveOnce(s *Server, far net.Conn, from netip.Addr) error {
	conn := relay.NewConn(far)
	defer conn.Release()
	h, err := clienthello.Peek(conn)
	if err != nil {
		return err
	}
	c := Client{Hello: h, Stack: decide.Decide(h, decide.Circumstance{}).Stack, Address: from, Host: resumeHost, Destination: "x:443"}
	leaf, err := s.Leaf(c)
	if err != nil {
		return err
	}
	done, err := s.Handshake(context.Background(), conn, c, leaf)
	if err != nil {
		return err
	}
	if _, err := done.Write([]byte("x")); err != nil {
		return err
	}
	_, err = done.Read(make([]byte, 1))
	if reason := AlertReason(err); reason != "" {
		return fmt.Errorf("after the handshake: %w", record.Fail(reason, err))
	}
	return nil
}

// What is remembered is bounded, and has an end.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	r, now := newRefusals(), time.Now()
	addr := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	for i := range 2 * maxRefused {
		r.add(addr(i), now)
		r.add(addr(i), now)
	}
	if len(r.until) != maxRefused || len(r.order) != maxRefused || r.has(addr(0), now) || !r.has(addr(2*maxRefused-1), now) {
		t.Errorf("remembers %d in a list of %d", len(r.until), len(r.order))
	}
	last := addr(2*maxRefused - 1)
	if !r.has(last, now.Add(refusedAge-time.Second)) || r.has(last, now.Add(refusedAge)) {
		t.Error("remembered for another time")
	}
}
