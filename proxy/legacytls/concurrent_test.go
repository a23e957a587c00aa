package legacytls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// content is what only one connection sends.
func content(of, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(of*31 + i*(2*of+1)>>3)
	}
	return b
}

// Connections share buffers, and never each other's bytes: each gets back its
// own, while all send at the same time, in pieces of all sizes.
func TestBuffersAreNotShared(t *testing.T) {
	t.Parallel()
	known := cryptoTLS()
	var all sync.WaitGroup
	for of := range 40 {
		near, far := testenv.Pipe(t)
		version, suite := uint16(tls.VersionTLS10+of%3), known[of%len(known)]
		if suiteByID(suite).tls12 {
			version = tls.VersionTLS12
		}
		ended, _ := serve(far, configFor(t, suite))
		client := tls.Client(near, clientConfig(t, version, suite))
		data := content(of, 60<<10+of)
		all.Go(func() {
			for rest, n := data, 1; len(rest) > 0; n = (n*5 + of) % (40 << 10) {
				n = min(n, len(rest))
				if _, err := client.Write(rest[:n]); err != nil {
					t.Errorf("connection %d: writing: %v", of, err)
					return
				}
				rest = rest[n:]
			}
			_ = client.CloseWrite()
		})
		all.Go(func() {
			got, err := io.ReadAll(client)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("connection %d: got %d bytes, %v", of, len(got), err)
			}
			if err := <-ended; err != nil {
				t.Errorf("connection %d: the server ended with %v", of, err)
			}
		})
	}
	all.Wait()
}

// established is a connection after its handshake, without an owner yet.
func established(t *testing.T, version, suite uint16) (client *tls.Conn, server *Conn) {
	t.Helper()
	near, far := testenv.Pipe(t)
	server = Server(far, configFor(t, suite))
	client = tls.Client(near, clientConfig(t, version, suite))
	failed := make(chan error, 1)
	go func() { failed <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-failed); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// Reading, writing and closing at the same time do no harm, and Close ends
// everything.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	for i := range 30 {
		known := cryptoTLS()
		client, server := established(t, tls.VersionTLS12, known[i%len(known)])
		var all sync.WaitGroup
		some := make(chan struct{}, 1)
		for _, c := range []net.Conn{client, server} {
			all.Go(func() {
				for {
					if _, err := c.Write(content(i, 20<<10)); err != nil {
						return
					}
				}
			})
			all.Go(func() {
				buf := make([]byte, 10<<10)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					select {
					case some <- struct{}{}:
					default:
					}
				}
			})
		}
		all.Go(func() {
			<-some
			if state := agreed(t, server); state.Version != tls.VersionTLS12 {
				t.Errorf("the state is %+v", state)
			}
			switch i % 3 {
			case 0:
				_ = server.CloseWrite()
			case 1:
				_ = server.SetDeadline(time.Unix(1, 0))
			}
			_ = server.Close()
			_ = client.NetConn().Close()
		})
		all.Wait()
		if n, err := server.Write([]byte("x")); n != 0 || err == nil {
			t.Errorf("writing after Close: %d, %v", n, err)
		}
	}
}

// Close ends a Read that waits, with a close_notify for the client.
func TestCloseEndsRead(t *testing.T) {
	t.Parallel()
	client, server := established(t, tls.VersionTLS10, rsaAES128)
	ended := make(chan error, 1)
	go func() {
		_, err := server.Read(make([]byte, 1))
		ended <- err
	}()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the Read ended with %v", err)
	}
	if b, err := io.ReadAll(client); err != nil || len(b) > 0 {
		t.Errorf("the client read %x, %v", b, err)
	}
}

// A handshake that many ask for is done once.
func TestHandshakeOnce(t *testing.T) {
	t.Parallel()
	near, far := testenv.Pipe(t)
	server := Server(far, newConfig(t))
	client := tls.Client(near, clientConfig(t, tls.VersionTLS11, rsaAES128))
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if err := server.Handshake(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		if _, err := server.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		_ = server.CloseWrite()
	})
	if b, err := io.ReadAll(client); err != nil || string(b) != "hello" {
		t.Errorf("the client read %q, %v", b, err)
	}
	all.Wait()
}
