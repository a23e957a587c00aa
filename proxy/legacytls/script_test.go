package legacytls

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A script is a client whose every step is a test's own: a test calls the steps
// in the right order or in another, and changes what it likes between them.
// After the first thing that goes wrong, the steps do nothing, and err says it.
type script struct {
	t     testing.TB
	hello hello
	conn  net.Conn
	r     *bufio.Reader
	raw   bytes.Buffer // all that came

	server *Conn
	ended  <-chan error

	in, out  *protection
	next     [2]*protection // of reading and of writing, from the key exchange on
	said     []byte         // the transcript
	messages []byte         // that came and were not taken
	master   []byte
	grain    int // bytes in a record of a handshake message; zero means all

	answer   answer
	largest  int     // bytes of plaintext in a record that came
	warnings []alert // that came
	err      error
}

// An answer is what the server agreed to.
type answer struct {
	version, suite uint16
	random         []byte
	session        []byte
	extensions     map[uint16][]byte // nil if there is no block
	key            *rsa.PublicKey    // nil if it is another
	ecdsaKey       *ecdsa.PublicKey  // nil if it is another
	params         []byte            // of the key exchange
	scheme         uint16            // of its signature
	ticket         []byte
}

// begin starts a server and a client that has said nothing yet.
func begin(t testing.TB, config *Config, h hello) *script {
	t.Helper()
	near, far := testenv.Pipe(t)
	c := onConn(t, near, h)
	c.ended, c.server = serve(far, config)
	return c
}

// onConn is a client alone.
func onConn(t testing.TB, near net.Conn, h hello) *script {
	c := &script{t: t, hello: h, conn: near, in: &protection{}, out: &protection{version: h.recordVersion()}}
	c.r = bufio.NewReader(io.TeeReader(near, &c.raw))
	return c
}

// agreed returns the state of the server when its handshake has ended, which
// is later than the client's.
func (c *script) agreed() ConnectionState {
	c.t.Helper()
	return agreed(c.t, c.server)
}

func (c *script) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// send writes bytes as they are.
func (c *script) send(b []byte) {
	if c.err != nil {
		return
	}
	if _, err := c.conn.Write(b); err != nil {
		c.fail("sending: %w", err)
	}
}

// record sends one record under the protection there is.
func (c *script) record(typ byte, data []byte) {
	b, err := c.out.seal(nil, typ, data)
	if err != nil {
		c.fail("sealing: %w", err)
	}
	c.send(b)
}

// say sends a handshake message.
func (c *script) say(message []byte) {
	c.said = append(c.said, message...)
	grain := c.grain
	if grain == 0 {
		grain = max(1, len(message))
	}
	for part := range slices.Chunk(message, grain) {
		c.record(typeHandshake, part)
	}
}

func (c *script) sayHello() {
	c.said = append(c.said, c.hello.transcript()...)
	c.send(c.hello.wire())
}

// errEnd is the orderly end.
var errEnd = errors.New("close_notify came")

// next returns the next record that is no warning.
func (c *script) read() (typ byte, data []byte) {
	for c.err == nil {
		header := make([]byte, recordHeaderLen)
		if _, err := io.ReadFull(c.r, header); err != nil {
			c.fail("reading a record: %w", err)
			return 0, nil
		}
		data = make([]byte, int(header[3])<<8|int(header[4]))
		if _, err := io.ReadFull(c.r, data); err != nil {
			c.fail("reading a record: %w", err)
			return 0, nil
		}
		typ = header[0]
		if v := uint16(header[1])<<8 | uint16(header[2]); c.answer.version != 0 && v != c.answer.version {
			c.fail("a record has version %04x", v)
		}
		data, err := c.in.open(typ, data, nil)
		if err != nil {
			c.fail("opening a record of type %d: %w", typ, err)
			return 0, nil
		}
		c.largest = max(c.largest, len(data))
		if typ != typeAlert {
			return typ, data
		}
		c.heard(data)
	}
	return 0, nil
}

// heard takes an alert; a fatal one is how it all ends.
func (c *script) heard(data []byte) {
	switch {
	case len(data) != 2:
		c.fail("an alert has %d bytes", len(data))
	case data[0] == levelFatal:
		c.fail("%w", &AlertError{data[1]})
	case data[1] == 0:
		c.fail("%w", errEnd)
	default:
		c.warnings = append(c.warnings, alert(data[1]))
	}
}

// hear returns the body of the next handshake message, which is of a type.
func (c *script) hear(want byte) cryptobyte.String {
	for len(c.messages) < messageHeaderLen || len(c.messages) < messageSize(c.messages) {
		typ, data := c.read()
		if c.err == nil && (typ != typeHandshake || len(data) == 0) {
			c.fail("a record of type %d with %d bytes in the place of message %d", typ, len(data), want)
		}
		if c.err != nil {
			return nil
		}
		c.messages = append(c.messages, data...)
	}
	size := messageSize(c.messages)
	m := c.messages[:size]
	c.messages = c.messages[size:]
	c.said = append(c.said, m...)
	if m[0] != want {
		c.fail("message %d in the place of %d", m[0], want)
	}
	return cryptobyte.String(m[messageHeaderLen:])
}

// hearHello reads ServerHello.
func (c *script) hearHello() {
	s := c.hear(msgServerHello)
	if c.err != nil {
		return
	}
	a := &c.answer
	a.random = make([]byte, randomLen)
	var session, block, body cryptobyte.String
	var compression uint8
	if !s.ReadUint16(&a.version) || !s.CopyBytes(a.random) || !s.ReadUint8LengthPrefixed(&session) ||
		!s.ReadUint16(&a.suite) || !s.ReadUint8(&compression) || compression != 0 {
		c.fail("malformed ServerHello")
	}
	a.session = session
	c.out = &protection{version: a.version}
	if s.Empty() {
		return
	}
	a.extensions = map[uint16][]byte{}
	if !s.ReadUint16LengthPrefixed(&block) || !s.Empty() {
		c.fail("malformed extensions of ServerHello")
	}
	for !block.Empty() {
		var id uint16
		if !block.ReadUint16(&id) || !block.ReadUint16LengthPrefixed(&body) || a.extensions[id] != nil {
			c.fail("malformed extension %d of ServerHello", id)
			return
		}
		a.extensions[id] = append([]byte{}, body...)
	}
}

// hearFlight reads everything after ServerHello to ServerHelloDone.
func (c *script) hearFlight() {
	s := c.hear(msgCertificate)
	var chain, leaf cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&chain) || !s.Empty() || !chain.ReadUint24LengthPrefixed(&leaf) {
		c.fail("malformed Certificate")
		return
	}
	certificate, err := x509.ParseCertificate(leaf)
	if err != nil {
		c.fail("parsing the certificate: %w", err)
		return
	}
	c.answer.key, _ = certificate.PublicKey.(*rsa.PublicKey)
	c.answer.ecdsaKey, _ = certificate.PublicKey.(*ecdsa.PublicKey)
	if suiteByID(c.answer.suite).kx != kxRSA {
		c.hearKeyExchange()
	}
	if s := c.hear(msgServerHelloDone); !s.Empty() || len(c.messages) > 0 {
		c.fail("something is after ServerHelloDone")
	}
}
