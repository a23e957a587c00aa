package legacytls

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// fullHello is a hello with every extension that is looked into.
func fullHello() hello {
	return hello{version: tls.VersionTLS12, suites: []uint16{ecdheAES128, 0x00ff}, session: make([]byte, 32), extensions: []extension{
		named("mail.example"), fragmentOf(4), groupsOf(tls.CurveP256, tls.X25519), pointsOf(0, 1), signaturesOf(0x0401, 0x0201),
		{extALPN, vec16(slices.Concat(vec8([]byte("imap")), vec8([]byte("smtp"))))}, {extExtendedMaster, nil},
		{extSessionTicket, []byte("a ticket")}, {extRenegotiationInfo, []byte{0}},
	}}
}

// A ClientHello that ends too early, with a length that says so, is malformed
// wherever that is, but where its extensions may be missing.
func TestHelloCut(t *testing.T) {
	t.Parallel()
	body := fullHello().body()
	without := fullHello()
	without.extensions = nil
	for n := range body {
		stream := records(typeHandshake, tls.VersionTLS10, handshakeMessage(msgClientHello, body[:n]), 0)
		err := outcome(t, stream)
		if malformed(err) == (n == len(without.body())) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	for _, h := range []hello{{challenge: 16}, {challenge: 32}} {
		body := h.sslv2()
		for n := 3; n < len(body); n++ { // fewer make no record header
			if err := outcome(t, append([]byte{0x80, byte(n)}, body[:n]...)); !malformed(err) {
				t.Errorf("SSLv2 format, after %d bytes: %v", n, err)
			}
		}
	}
}

func malformed(err error) bool {
	var fault *ProtocolError
	return errors.As(err, &fault) && alert(fault.Description) == alertDecodeError
}

// A client that ends in the middle of its hello is never taken for one that
// closed, nor does it get an answer.
func TestHelloCutOff(t *testing.T) {
	t.Parallel()
	for _, h := range []hello{fullHello(), {challenge: 32}, {grain: 9}} {
		whole := h.wire()
		for n := range whole {
			if out, err := play(newConfig(t), whole[:n]); !errors.Is(err, io.ErrUnexpectedEOF) || len(out) > 0 {
				t.Errorf("after %d bytes: %x, %v", n, out, err)
			}
		}
	}
}

// A cutConn sends so many bytes, and then ends.
type cutConn struct {
	net.Conn
	left int
}

var errCut = errors.New("cut off here")

func (c *cutConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(c.left, len(p))])
	if c.left -= n; n == len(p) || err != nil {
		return n, err
	}
	return n, errors.Join(errCut, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
}

// A client that ends at any byte after its hello ends the handshake without a
// word.
func TestHandshakeCutOff(t *testing.T) {
	t.Parallel()
	for _, p := range []parameters{
		{"TLS 1.0 ECDHE", tls.VersionTLS10, ecdheAES128},
		{"TLS 1.2 RSA", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for n := len(p.hello().wire()); ; n++ {
				near, far := testenv.Pipe(t)
				c := onConn(t, &cutConn{Conn: near, left: n}, p.hello())
				c.ended, c.server = serve(far, newConfig(t))
				c.connect()
				if c.err == nil {
					break // that was all
				}
				if err := <-c.ended; !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(c.err, errCut) {
					t.Errorf("after %d bytes: the server ended with %v, the client with %v", n, err, c.err)
				}
				near.Close()
				far.Close()
			}
		})
	}
}

// A ClientKeyExchange that is shorter than it says, or as long as it says but
// of fewer bytes, is malformed wherever it ends.
func TestKeyExchangeCut(t *testing.T) {
	t.Parallel()
	for _, suite := range []uint16{rsaAES128, ecdheAES128, dheAES128} {
		t.Run(SuiteName(suite), func(t *testing.T) {
			t.Parallel()
			for n := 0; ; n++ {
				c := begin(t, newConfig(t), hello{suites: []uint16{suite}})
				c.toFlight()
				_, body := c.keyExchange()
				if c.err != nil {
					t.Fatal(c.err)
				}
				if n == len(body) {
					return
				}
				c.record(typeHandshake, handshakeMessage(msgClientKeyExchange, body[:n]))
				c.wantAlert(alertDecodeError)
				_ = c.conn.Close()
				_ = c.server.conn.Close()
			}
		})
	}
}
