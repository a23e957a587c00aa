package relay

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A woken connection counts how often somebody who may wait for its bytes was woken up.
type woken struct {
	net.Conn
	times *atomic.Int64
}

func (w woken) SetReadDeadline(t time.Time) error { return w.SetDeadline(t) }

func (w woken) SetDeadline(t time.Time) error {
	if !t.IsZero() {
		w.times.Add(1)
	}
	return w.Conn.SetDeadline(t)
}

// The end of a handshake wakes nobody up: who waits for bytes goes on to wait for those that
// come after it.
func TestHandshakeEndWakesNobody(t *testing.T) {
	t.Parallel()
	certificate := testenv.SelfSigned(t, testenv.Template("localhost", "localhost"), testenv.ECDSAKey(t))
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var times atomic.Int64
		rawClient, ourClient := net.Pipe()
		ourServer, rawServer := net.Pipe()
		r := &Relay{
			Client: woken{ourClient, &times}, Upstream: woken{ourServer, &times}, Idle: time.Hour,
			Abort:     func() { _, _ = ourClient.Close(), ourServer.Close() },
			Handshake: &Handshake{Deadline: time.Now().Add(testenv.Patience), Timeout: testenv.Patience},
		}
		ended := make(chan error, 1)
		go func() {
			_, _, err := r.Run()
			ended <- err
		}()
		client := tls.Client(rawClient, &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: version})
		server := tls.Server(rawServer, &tls.Config{Certificates: []tls.Certificate{certificate}})
		go func() { _ = server.Handshake(); _, _ = io.Copy(server, server) }()
		for range 3 {
			go func() { _, _ = client.Write([]byte("hello")) }()
			if _, err := io.ReadFull(client, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
		}
		if n := times.Load(); n > 0 {
			t.Errorf("%s: woken up %d times", tls.VersionName(version), n)
		}
		_, _ = rawClient.Close(), rawServer.Close()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	}
}
