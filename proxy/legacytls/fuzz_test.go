package legacytls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"reflect"
	"testing"
)

// hellosInTests are the first flights that the seeds are made of.
func hellosInTests(f *testing.F) [][]byte {
	all := [][]byte{fullHello().wire(), {}, []byte("GET / HTTP/1.1\r\n")}
	for _, b := range recorded(f) {
		all = append(all, b)
	}
	for _, row := range sslv2Hellos() {
		all = append(all, row.hello.wire())
	}
	for _, row := range groupHellos() {
		all = append(all, row.hello.wire())
	}
	for _, row := range lenientHellos() {
		all = append(all, row.hello.wire())
	}
	for _, row := range helloExtensions() {
		all = append(all, row.says)
	}
	return all
}

// What is read from a ClientHello is in it.
func FuzzParseClientHello(f *testing.F) {
	for _, b := range hellosInTests(f) {
		if len(b) > recordHeaderLen+messageHeaderLen && b[0] == typeHandshake {
			f.Add(b[recordHeaderLen+messageHeaderLen:])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		h, ok := parseClientHello(body)
		if !bytes.Equal(before, body) {
			t.Fatal("the hello was changed")
		}
		if !ok {
			return
		}
		checkParsed(t, h, body)
		if len(h.sessionID) > maxSessionID || len(h.compressions) == 0 || len(h.serverName) > maxServerName {
			t.Errorf("the hello is %+v", h)
		}
		if again, ok := parseClientHello(before); !ok || !reflect.DeepEqual(h, again) {
			t.Errorf("once more, the hello is %+v", again)
		}
	})
}

// checkParsed checks what is true of a hello in whatever format, and that a
// choice for it is one that it offers.
func checkParsed(t *testing.T, h *clientHello, body []byte) {
	t.Helper()
	for _, part := range [][]byte{h.sessionID, []byte(h.serverName), h.points, h.ticket, h.renegotiation} {
		if !bytes.Contains(body, part) {
			t.Errorf("%x is not in the hello", part)
		}
	}
	for _, list := range [][]uint16{h.suites, h.groups, h.signatures} {
		if h.sslv2 {
			break
		}
		if !bytes.Contains(body, u16(list...)) {
			t.Errorf("%x is not in the hello", list)
		}
	}
	for version := uint16(tls.VersionTLS10); version <= tls.VersionTLS12; version++ {
		o := h.offer(version)
		o.KeyBits = 1024
		for _, o.Keys = range []Keys{0, RSAKey, ECDSAKey, RSAKey | ECDSAKey} {
			id := o.Choose(LegacySuites{RC4: true, DES: true})
			if id == 0 {
				continue
			}
			if s := suiteByID(id); s.tls12 && version < tls.VersionTLS12 || s.kx == kxECDHE && ecdhCurves[o.curve()] == nil ||
				s.kx != kxRSA && o.signature(s.ecdsa) == nil || !o.Keys.has(s.ecdsa) {
				t.Errorf("at version %04x with keys %d, %s is chosen", version, o.Keys, s.name)
			}
		}
	}
}

// A hello in SSLv2 format is accounted for to the last byte.
func FuzzParseSSLv2Hello(f *testing.F) {
	for _, b := range hellosInTests(f) {
		if len(b) > 2 && b[0]&0x80 != 0 {
			f.Add(b[2:])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h, ok := parseSSLv2Hello(body)
		if !ok {
			return
		}
		checkParsed(t, h, body)
		specs, id, challenge := int(body[3])<<8|int(body[4]), int(body[5])<<8|int(body[6]), int(body[7])<<8|int(body[8])
		if len(body) != 9+specs+id+challenge || len(h.suites) > specs/3 || len(h.seen) > 0 {
			t.Errorf("the hello is %+v", h)
		}
		if !bytes.HasSuffix(body, h.random[randomLen-challenge:]) ||
			!bytes.Equal(h.random[:randomLen-challenge], make([]byte, randomLen-challenge)) {
			t.Errorf("the random value is %x", h.random)
		}
	})
}

// A session is read only from what seal writes, and a ticket opens only to the
// session that was sealed.
func FuzzParseSession(f *testing.F) {
	sessions := newSessions()
	one := &session{version: tls.VersionTLS11, suite: rsaAES128, extended: true, created: noon}
	ticket, err := sessions.seal(one)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ticket)
	f.Add(append([]byte(ticketKind), make([]byte, 93)...))
	f.Add(append([]byte(ticketKind), bytes.Repeat([]byte{0xff}, 93)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := sessions.open(b)
		if got != nil && (!got.created.Equal(noon) || !got.extended || got.suite != rsaAES128 || got.version != tls.VersionTLS11) {
			t.Errorf("a ticket of %x opens to %+v", b, got)
		}
		got = parseSession(b)
		if (got != nil) != (len(b) == len(ticketKind)+93 && bytes.HasPrefix(b, []byte(ticketKind))) {
			t.Errorf("%d bytes are a session: %v", len(b), got != nil)
		}
		if got == nil {
			return
		}
		config := at(t, sessions, noon)
		h := &clientHello{suites: []uint16{got.suite}, ticket: b}
		if found := config.resumable(h, got.version); found != nil {
			t.Errorf("%+v is resumed", found)
		}
	})
}

// Whatever a client says without knowing the keys, the server ends as it
// promises. Behind a hello it is at the key exchange.
func FuzzServer(f *testing.F) {
	for _, b := range hellosInTests(f) {
		f.Add(b)
		f.Add(append(bytes.Clone(b), plainRecord(typeAlert, tls.VersionTLS10, []byte{levelFatal, 40})...))
	}
	for _, p := range protections {
		body := vec16(make([]byte, 256))
		if suiteByID(p.suite).kx == kxECDHE {
			body = vec8(p256Generator())
		}
		stream := append(p.hello().wire(), plainRecord(typeHandshake, p.version, handshakeMessage(msgClientKeyExchange, body))...)
		stream = append(stream, plainRecord(typeChangeCipherSpec, p.version, []byte{1})...)
		f.Add(append(stream, plainRecord(typeHandshake, p.version, make([]byte, 64))...))
	}
	f.Fuzz(func(t *testing.T, stream []byte) { outcome(t, stream) })
}

// p256Generator is a point of P-256 whose secret is 1.
func p256Generator() []byte {
	key, err := ecdhCurves[tls.CurveP256].NewPrivateKey(append(make([]byte, 31), 1))
	if err != nil {
		panic(err)
	}
	return key.PublicKey().Bytes()
}

// FuzzRecords is a client that knows the keys. Its script has, for each record,
// a byte that says what is done with it, its type, its length, and its content.
// What the server reads is what the client sealed, in the order in which it
// did, up to the first record that breaks a rule.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{0, 23, 0, 4, 'd', 'a', 't', 'a', 0, 21, 0, 2, 1, 0})
	f.Add([]byte{5, 23, 0, 0, 5, 23, 0, 1, 'x', 5, 22, 0, 4, 1, 0, 0, 0, 5, 23, 0, 1, 'y'})
	f.Add([]byte{4, 21, 0, 2, 1, 90, 4, 20, 0, 1, 1})
	f.Add([]byte{3, 23, 0, 2, 'a', 'b', 0x83, 23, 0, 1, 'c', 3, 23, 0, 1, 'd'})
	f.Add([]byte{2, 23, 0x40, 1})
	f.Add([]byte{1, 22, 0, 8, 1, 0, 0, 3, 1, 0, 0, 0, 1, 22, 0, 4, 1, 0xff, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 {
			return
		}
		p := protections[int(script[0]&0x7f)%len(protections)]
		server, client := keyedConn(t, p)
		stream, data := perform(t, client, script)
		on := &tape{in: bytes.NewReader(stream)}
		server.conn, server.input.conn = on, on
		got, err := io.ReadAll(server)
		if !bytes.HasPrefix(data, got) {
			t.Errorf("the server read %x, and the client sent %x", got, data)
		}
		var fault *ProtocolError
		var told *AlertError
		if err != nil && !errors.As(err, &fault) && !errors.As(err, &told) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the server ended with %v", err)
		}
		if err == nil && !bytes.Equal(got, data) {
			t.Errorf("the server read %x as all there is, and the client sent %x", got, data)
		}
	})
}

// keyedConn is a connection after its handshake, with keys that are all zero,
// and how its client protects what it sends.
func keyedConn(t *testing.T, p parameters) (*Conn, *protection) {
	s := suiteByID(p.suite)
	zero := keys{make([]byte, s.macLen()), bytes.Repeat([]byte{1}, s.keyLen), make([]byte, s.ivLen)}
	server := Server(nil, newConfig(t))
	var sides [3]*protection
	for i := range sides {
		var err error
		if sides[i], err = newProtection(p.version, s, zero, i == 0); err != nil {
			t.Fatal(err)
		}
	}
	server.in, server.out = sides[0], sides[1]
	server.done.Store(true)
	return server, sides[2]
}

// perform makes the client's stream of a script. Its data is what the server
// may read: that of all sealed records before close_notify.
func perform(t *testing.T, client *protection, script []byte) (stream, data []byte) {
	closed := false
	for len(script) >= 4 {
		how, typ, n := script[0], script[1], int(script[2])<<8|int(script[3])
		body := script[4:min(4+n, len(script))]
		script = script[4+len(body):]
		if how&0x80 != 0 { // as it is
			stream = append(stream, plainRecord(typ, client.version, body)...)
			continue
		}
		body = append(bytes.Clone(body), make([]byte, n-len(body))...)
		var err error
		if stream, err = client.seal(stream, typ, body); err != nil {
			t.Fatal(err)
		}
		closed = closed || typ == typeAlert && n == 2 && body[1] == 0
		if typ == typeApplicationData && !closed {
			data = append(data, body...)
		}
	}
	return stream, data
}
