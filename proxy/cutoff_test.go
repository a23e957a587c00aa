package proxy_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A partial is most of a TLS record.
var partial = []byte{23, 3, 3, 0, 100, 1, 2, 3}

// rawOf returns the connection below TLS.
func rawOf(c *tls.Conn) *net.TCPConn { return c.NetConn().(*net.TCPConn) }

// How a destination ends reaches the lifted client as it is, and has a reason when it
// is no proper end.
func TestEndOfDestination(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end    func(c *tls.Conn)
		client error
		reason record.Reason
	}{
		"close_notify": {func(c *tls.Conn) { _ = c.CloseWrite() }, nil, ""},
		"FIN":          {func(c *tls.Conn) { _ = rawOf(c).CloseWrite() }, relay.ErrNoCloseNotify, record.ReasonUpstreamCutOff},
		"FIN in the middle of a record": {func(c *tls.Conn) {
			_, _ = rawOf(c).Write(partial)
			_ = rawOf(c).CloseWrite()
		}, relay.ErrNoCloseNotify, record.ReasonUpstreamCutOff},
		"close": {func(c *tls.Conn) { _ = rawOf(c).Close() }, relay.ErrNoCloseNotify, record.ReasonUpstreamCutOff},
		"reset": {func(c *tls.Conn) { relay.Reset(rawOf(c)) }, errReset, record.ReasonUpstreamCutOff},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := testenv.FakeM365(t)
			server, err := fake.ServeTLS(fakem365.TLSOptions{}, func(c *tls.Conn) {
				_, _ = io.WriteString(c, "half of it")
				_, _ = c.Read(make([]byte, 2)) // until the client has it
				tt.end(c)
				_, _ = io.Copy(io.Discard, rawOf(c)) // until the client has closed
			})
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, fake, server.Addr(), nil)
			for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12} {
				cfg := w.oldConfig()
				cfg.MaxVersion, cfg.CipherSuites = version, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
				tcp := dial(t, w.tls)
				raw := relay.NewRaw(tcp)
				conn := tls.Client(raw, cfg)
				if _, err := io.ReadFull(conn, make([]byte, len("half of it"))); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, "ok"); err != nil {
					t.Fatal(err)
				}
				_, err := io.ReadAll(relay.NewTLS(conn, raw))
				if tt.client == errReset && relay.IsReset(err) {
					err = errReset
				}
				if !errors.Is(err, tt.client) {
					t.Errorf("%x: the client saw %v, want %v", version, err, tt.client)
				}
				_ = tcp.Close()
				w.expect(record.OutcomeLifted, tt.reason)
			}
		})
	}
}

// A real client reports an answer that was cut off.
func TestOpenSSLSeesTruncation(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	for name, tt := range map[string]struct {
		end      func(c *tls.Conn) error
		complain bool
		reason   record.Reason
	}{
		"close_notify": {func(c *tls.Conn) error { return c.CloseWrite() }, false, ""},
		"FIN":          {func(c *tls.Conn) error { return rawOf(c).CloseWrite() }, true, record.ReasonUpstreamCutOff},
	} {
		fake := testenv.FakeM365(t)
		server, err := fake.ServeTLS(fakem365.TLSOptions{}, func(c *tls.Conn) {
			_, _ = io.WriteString(c, "half of it")
			_ = tt.end(c)
			_, _ = io.Copy(io.Discard, rawOf(c))
		})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, fake, server.Addr(), nil)
		for _, version := range []string{"-tls1", "-tls1_2"} {
			client := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", w.tls, "-servername", host, version,
				"-cipher", "AES128-SHA:@SECLEVEL=0", "-CAfile", w.ca.CertificateFile(), "-quiet")
			stdin, err := client.StdinPipe() // stays open
			if err != nil {
				t.Fatal(err)
			}
			out, _ := client.CombinedOutput()
			_ = stdin.Close()
			if !strings.Contains(string(out), "half of it") || strings.Contains(string(out), "unexpected eof") != tt.complain {
				t.Errorf("%s, %s: openssl says %q", name, version, out)
			}
			w.expect(record.OutcomeLifted, tt.reason)
		}
	}
}

// errReset stands for any reset.
var errReset = errors.New("a reset")

// How a client ends reaches the destination as it is. Many old clients never send a
// close_notify, which is no reason.
func TestEndOfClient(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end         func(c *tls.Conn)
		destination error
		reason      record.Reason
	}{
		"close_notify": {func(c *tls.Conn) { _ = c.CloseWrite() }, nil, ""},
		"FIN":          {func(c *tls.Conn) { _ = rawOf(c).CloseWrite() }, relay.ErrNoCloseNotify, ""},
		"close":        {func(c *tls.Conn) { _ = rawOf(c).Close() }, relay.ErrNoCloseNotify, ""},
		"FIN in the middle of a record": {func(c *tls.Conn) {
			_, _ = rawOf(c).Write([]byte{23, 3, 1, 0, 100, 1, 2, 3})
			_ = rawOf(c).CloseWrite()
		}, relay.ErrNoCloseNotify, record.ReasonClientCutOff},
		"reset": {func(c *tls.Conn) { relay.Reset(rawOf(c)) }, errReset, record.ReasonClientCutOff},
		// The destination has not answered, but the client has gone.
		"reset after close_notify": {func(c *tls.Conn) { _ = c.CloseWrite(); relay.Reset(rawOf(c)) }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := testenv.FakeM365(t)
			ends := make(chan error, 1)
			server := serveRaw(t, fake, func(raw *relay.Raw, conn *tls.Conn) {
				_, _ = conn.Write([]byte("hello"))
				_, err := io.ReadAll(relay.NewTLS(conn, raw))
				ends <- err
			})
			w := newWorld(t, fake, server, nil)
			conn := tls.Client(dial(t, w.tls), w.oldConfig())
			if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			tt.end(conn)
			err := <-ends
			if tt.destination == errReset && relay.IsReset(err) {
				err = errReset
			}
			if !errors.Is(err, tt.destination) && name != "reset after close_notify" {
				t.Errorf("the destination saw %v, want %v", err, tt.destination)
			}
			w.expect(record.OutcomeLifted, tt.reason)
		})
	}
}

// serveRaw serves one connection of TLS as host, and closes it with a close_notify.
func serveRaw(t *testing.T, fake *fakem365.Service, serve func(raw *relay.Raw, conn *tls.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := fake.Certificate(fakem365.CertOptions{Names: []string{host}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		accepted, err := ln.Accept()
		if err != nil {
			return
		}
		raw := relay.NewRaw(accepted)
		conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert}})
		serve(raw, conn)
		_ = conn.Close()
	}()
	t.Cleanup(func() { _ = ln.Close(); <-ended })
	return ln.Addr().String()
}

// A client that resets its connection has sent nothing, or the beginning of
// something.
func TestResetBeforeTLS(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	for _, tt := range []struct {
		address, first string
		want           record.Reason
	}{
		{w.tls, "", record.ReasonClosedBeforeHello},
		{w.tls, "\x16\x03\x01", record.ReasonHelloTruncated},
		{w.tls, "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", record.ReasonHelloTruncated},
		{w.tls, "\x80\x2e\x01\x03\x01", record.ReasonHelloTruncated},
		{w.proxy, "", record.ReasonClosedBeforeHello},
		{w.proxy, "CONNECT " + target + " HTTP/1.1\r\nHo", record.ReasonHTTPRequestInvalid},
	} {
		conn := dial(t, tt.address)
		if _, err := io.WriteString(conn, tt.first); err != nil {
			t.Fatal(err)
		}
		relay.Reset(conn)
		rec := w.record()
		if rec.Reason != tt.want {
			t.Errorf("reset after %q: got %s (%v), want %s", tt.first, rec.Reason, rec.Err, tt.want)
		}
	}
}

// A passed handshake that stalls ends with the handshake timeout.
func TestPassedHandshakeStalls(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	stalls := testenv.Serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1000))
		_, _ = conn.Write([]byte{22, 3, 3, 0, 100})
		_, _ = io.Copy(io.Discard, conn)
	})
	w := newWorld(t, fake, stalls.String(), func(c *proxy.Config) { c.HandshakeTimeout = time.Second })
	if _, err := w.client(tls.VersionTLS13).Dial(t.Context(), target); err == nil {
		t.Error("the handshake went through")
	}
	w.expect(record.OutcomePassed, record.ReasonUpstreamTimeout)
}
