package legacytls

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// Each side may close for writing, and read on.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			near, far := testenv.Pipe(t)
			c := onConn(t, near, p.hello())
			c.server = Server(far, newConfig(t))
			got := make(chan []byte, 1)
			go func() {
				err := c.server.Handshake()
				if err == nil {
					err = errors.Join(c.server.CloseWrite(), c.server.CloseWrite())
				}
				b, readErr := io.ReadAll(c.server)
				if err = errors.Join(err, readErr); err != nil {
					t.Errorf("the server ended with %v", err)
				}
				got <- b
			}()
			c.connect()
			if typ, data := c.read(); !errors.Is(c.err, errEnd) {
				t.Fatalf("instead of close_notify came type %d, %x, %v", typ, data, c.err)
			}
			c.err = nil
			c.record(typeHandshake, c.hello.transcript()) // is answered by nothing any more
			c.record(typeApplicationData, []byte("still "))
			c.record(typeApplicationData, []byte("here"))
			c.record(typeAlert, []byte{levelWarning, 0})
			if b := <-got; !bytes.Equal(b, []byte("still here")) {
				t.Errorf("the server read %q", b)
			}
			if n, err := c.server.Write([]byte("x")); n != 0 || !errors.Is(err, ErrClosed) {
				t.Errorf("writing after the end: %d, %v", n, err)
			}
			c.end()
			if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
				t.Errorf("after close_notify came %x, %v", rest, err)
			}
		})
	}
}

// After a fatal alert of the client nothing more is sent.
func TestFatalAlertOfClient(t *testing.T) {
	t.Parallel()
	c := begin(t, newConfig(t), hello{})
	c.connect()
	c.record(typeAlert, []byte{levelFatal, 46})
	for _, err := range []error{<-c.ended, func() error { _, err := c.server.Write([]byte("x")); return err }(), c.server.CloseWrite()} {
		var told *AlertError
		if !errors.As(err, &told) || told.Description != 46 {
			t.Errorf("the server says %v", err)
		}
	}
	c.end()
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		t.Errorf("after the alert came %x, %v", rest, err)
	}
}

// A Read that timed out may be tried again, in the middle of a record, too.
func TestReadTimeout(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			near, far := testenv.Pipe(t)
			c := onConn(t, near, p.hello())
			c.server = Server(far, newConfig(t))
			done := make(chan error, 1)
			go func() { done <- c.server.Handshake() }()
			c.connect()
			if err := errors.Join(c.err, <-done); err != nil {
				t.Fatal(err)
			}
			whole := c.sealed(typeApplicationData, []byte("data"))
			buf := make([]byte, 10)
			for i := range whole {
				c.send(whole[i : i+1])
				if i == len(whole)-1 {
					break
				}
				if err := c.server.SetReadDeadline(time.Unix(1, 0)); err != nil {
					t.Fatal(err)
				}
				if n, err := c.server.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("byte %d: %d, %v", i, n, err)
				}
			}
			if err := c.server.SetReadDeadline(time.Now().Add(testenv.Patience)); err != nil {
				t.Fatal(err)
			}
			if n, err := c.server.Read(buf); err != nil || string(buf[:n]) != "data" {
				t.Fatalf("read %q, %v", buf[:n], err)
			}
		})
	}
}

// A Write that failed may have stopped in the middle of a record: nothing more
// is sent, not even close_notify.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	near, far := testenv.Pipe(t)
	c := onConn(t, near, hello{})
	c.server = Server(far, newConfig(t))
	done := make(chan error, 1)
	go func() { done <- c.server.Handshake() }()
	c.connect()
	if err := errors.Join(c.err, <-done, c.server.SetWriteDeadline(time.Unix(1, 0))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.server.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the first write: %v", err)
	}
	if err := c.server.SetWriteDeadline(time.Now().Add(testenv.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.server.Write([]byte("y")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the next one: %v", err)
	}
	if err := c.server.Close(); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		t.Errorf("after the failure came %x, %v", rest, err)
	}
}

// The end of its context ends a handshake at each of its stages, also where
// the client reads nothing and the alert finds no room.
func TestHandshakeContext(t *testing.T) {
	t.Parallel()
	for name, says := range map[string][]byte{
		"before the hello": nil, "in the hello": hello{}.wire()[:20], "after the hello": hello{}.wire(), "in the alert": []byte("GET /"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe() // which holds nothing
			defer near.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			s := Server(far, newConfig(t))
			go func() { ended <- s.HandshakeContext(ctx) }()
			if _, err := near.Write(says); err != nil {
				t.Error(err)
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the handshake ended with %v", err)
			}
			if err := s.Handshake(); !errors.Is(err, context.Canceled) {
				t.Errorf("the handshake, once more: %v", err)
			}
			if state := s.ConnectionState(); state != (ConnectionState{}) {
				t.Errorf("the state is %+v", state)
			}
		})
	}
}

// After our close_notify not even a fatal alert is sent (RFC 5246 section
// 7.2.1), nor does one go into the middle of a record that could not be sent.
func TestFaultAfterClosing(t *testing.T) {
	t.Parallel()
	for name, closing := range map[string]func(s *Conn) error{
		"close_notify": (*Conn).CloseWrite,
		"a write that failed": func(s *Conn) error {
			_ = s.SetWriteDeadline(time.Unix(1, 0))
			if _, err := s.Write([]byte("x")); err == nil {
				return errors.New("the write succeeds")
			}
			return s.SetWriteDeadline(time.Now().Add(testenv.Patience))
		},
	} {
		near, far := testenv.Pipe(t)
		c := onConn(t, near, hello{})
		c.server = Server(far, newConfig(t))
		done := make(chan error, 1)
		go func() { done <- c.server.Handshake() }()
		c.connect()
		if err := errors.Join(c.err, <-done, closing(c.server)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.record(typeChangeCipherSpec, []byte{1})
		var fault *ProtocolError
		if _, err := c.server.Read(make([]byte, 1)); !errors.As(err, &fault) || alert(fault.Description) != alertUnexpectedMessage {
			t.Errorf("%s: reading: %v", name, err)
		}
		c.end()
		for c.err == nil || errors.Is(c.err, errEnd) {
			c.err = nil
			c.read()
		}
		if !errors.Is(c.err, io.EOF) {
			t.Errorf("%s: the client saw %v", name, c.err)
		}
	}
}
