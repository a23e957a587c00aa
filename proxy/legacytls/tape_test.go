package legacytls

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// A tape is a connection whose client has said all that it will say, and has
// gone.
type tape struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (t *tape) Read(p []byte) (int, error)       { return t.in.Read(p) }
func (t *tape) Write(p []byte) (int, error)      { return t.out.Write(p) }
func (t *tape) Close() error                     { return nil }
func (t *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (t *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

// play runs a server against a client that says stream, to the end.
func play(config *Config, stream []byte) (out []byte, err error) {
	t := &tape{in: bytes.NewReader(stream)}
	s := Server(t, config)
	_, err = io.Copy(io.Discard, s)
	return t.out.Bytes(), err
}

// outcome plays a stream and checks what is true of every stream whose author
// does not know the keys: it ends in an error that is promised, which a
// ProtocolError tells the client by the last record.
func outcome(t testing.TB, stream []byte) error {
	t.Helper()
	out, err := play(newConfig(t), stream)
	var fault *ProtocolError
	var told *AlertError
	switch {
	case errors.As(err, &fault):
		if len(out) < 7 || out[len(out)-7] != typeAlert || out[len(out)-6] != 3 ||
			!bytes.Equal(out[len(out)-4:], []byte{0, 2, levelFatal, fault.Description}) {
			t.Errorf("%x: %v, but the client hears %x", stream, err, out)
		}
	case errors.As(err, &told), errors.Is(err, io.ErrUnexpectedEOF):
	default:
		t.Errorf("%x: the server ended with %v", stream, err)
	}
	return err
}

// flight is what a server answers to a hello before the client goes on.
func flight(t testing.TB, config *Config, h hello) *script {
	t.Helper()
	out, err := play(config, h.wire())
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return &script{t: t, err: err}
	}
	return heard(t, h, out)
}

// heard is a client that hears all that was said until ServerHelloDone.
func heard(t testing.TB, h hello, said []byte) *script {
	c := &script{t: t, hello: h, in: &protection{}, r: bufio.NewReader(bytes.NewReader(said))}
	c.hearHello()
	c.hearFlight()
	if _, err := c.r.Peek(1); c.err == nil && !errors.Is(err, io.EOF) {
		c.fail("something is behind the server's flight")
	}
	return c
}
