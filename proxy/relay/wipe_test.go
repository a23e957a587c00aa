package relay

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// A spied connection gives out a secret, and keeps the buffer that it was read into.
type spied struct {
	net.Conn
	secret io.Reader
	buffer []byte
}

func (s *spied) Read(p []byte) (int, error) {
	if s.buffer == nil {
		s.buffer = p[:cap(p)]
	}
	return s.secret.Read(p)
}

func (s *spied) Write(p []byte) (int, error)      { return len(p), nil }
func (s *spied) Close() error                     { return nil }
func (s *spied) SetReadDeadline(time.Time) error  { return nil }
func (s *spied) SetWriteDeadline(time.Time) error { return nil }
func (s *spied) CloseWrite() error                { return nil }

const secret = "AUTH PLAIN c2VjcmV0"

// What was in a reader is not there any more when another connection gets it. The test
// runs alone: nothing else may have the buffer when it looks.
func TestReadersAreWiped(t *testing.T) {
	s := &spied{secret: bytes.NewReader([]byte(secret))}
	c := NewConn(s)
	if got, err := c.Peek(len(secret)); err != nil || string(got) != secret {
		t.Fatalf("%q, %v", got, err)
	}
	if !bytes.Contains(s.buffer, []byte(secret)) {
		t.Fatal("the test does not see the buffer")
	}
	c.Release()
	if bytes.Contains(s.buffer, []byte("c2VjcmV0")) {
		t.Error("the secret is still in the buffer")
	}
}

// The same of what was relayed.
func TestRelayedBytesAreWiped(t *testing.T) {
	s := &spied{secret: bytes.NewReader([]byte(secret))}
	r := &Relay{Client: s, Upstream: s, Idle: time.Minute}
	d := &r.directions[Client]
	d.init(r, Client, s, s)
	if err := d.move(); err != nil || d.moved.Load() != int64(len(secret)) {
		t.Fatalf("%d bytes, %v", d.moved.Load(), err)
	}
	if bytes.Contains(s.buffer, []byte("c2VjcmV0")) {
		t.Error("the secret is still in the buffer")
	}
}
