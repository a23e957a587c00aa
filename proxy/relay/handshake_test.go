package relay

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// passed relays a handshake that begins with first over pipes, and returns the two
// far ends.
func passed(first []byte, timeout, idle time.Duration) (client, server net.Conn, ended chan error) {
	client, ourClient := net.Pipe()
	ourServer, server := net.Pipe()
	r := &Relay{
		Client: ourClient, Upstream: ourServer, Idle: idle,
		Abort:     func() { _ = ourClient.Close(); _ = ourServer.Close() },
		Handshake: &Handshake{ToClient: first, Deadline: time.Now().Add(timeout)},
	}
	ended = make(chan error, 1)
	go func() {
		_, _, err := r.Run()
		ended <- err
	}()
	return client, server, ended
}

// A handshake that stalls has its own timeout, and the side that stalls is named.
func TestHandshakeStalls(t *testing.T) {
	t.Parallel()
	hello := []byte{recordHandshake, 3, 3, 0, 4, 2, 0, 0, 0}
	secondHello := slices.Concat([]byte{20, 3, 3, 0, 1, 1, 22, 3, 3, 1, 0}, make([]byte, 256))
	for name, tt := range map[string]struct {
		server, client []byte
		want           record.Reason
	}{
		"after a header of the answer":  {hello[:5], nil, record.ReasonUpstreamTimeout},
		"in the answer":                 {hello[:7], nil, record.ReasonUpstreamTimeout},
		"after the answer":              {hello, nil, record.ReasonClientHandshakeTimeout},
		"in the client's next record":   {hello, hello[:6], record.ReasonClientHandshakeTimeout},
		"after the client's Finished":   {hello, []byte{20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 1, 0}, record.ReasonUpstreamTimeout},
		"after a HelloRetryRequest":     {hello, secondHello, record.ReasonUpstreamTimeout},
		"after data that came too soon": {hello, []byte{23, 3, 3, 0, 1, 1}, record.ReasonUpstreamTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, ended := passed(tt.server, 30*time.Second, time.Hour)
				defer client.Close()
				defer server.Close()
				start := time.Now()
				go func() {
					_, _ = io.ReadFull(client, make([]byte, len(tt.server)))
					_, _ = client.Write(tt.client)
				}()
				go func() { _, _ = io.Copy(io.Discard, server) }()
				err := <-ended
				var f *record.Failure
				if !errors.As(err, &f) || f.Reason != tt.want {
					t.Errorf("ended with %v, want %s", err, tt.want)
				}
				if took := time.Since(start); took != 30*time.Second {
					t.Errorf("ended after %v", took)
				}
			})
		})
	}
}

// A handshake that is complete has no timeout any more, even where nobody says
// anything after it.
func TestHandshakeEnds(t *testing.T) {
	t.Parallel()
	certificate := testenv.SelfSigned(t, testenv.Template("localhost", "localhost"), testenv.RSAKey(t, 0))
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	sessions := tls.NewLRUClientSessionCache(1)
	for _, tt := range []struct {
		name           string
		client, server *tls.Config
		resumed        bool
	}{
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12, ClientSessionCache: sessions}, &tls.Config{}, false},
		{"TLS 1.2, resumed", &tls.Config{MaxVersion: tls.VersionTLS12, ClientSessionCache: sessions}, &tls.Config{}, true},
		{
			"TLS 1.2, CBC",
			&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA}}, &tls.Config{}, false,
		},
		{"TLS 1.3", &tls.Config{}, &tls.Config{}, false},
		{"TLS 1.3, HelloRetryRequest", &tls.Config{}, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP521}}, false},
	} {
		tt.server.Certificates = []tls.Certificate{certificate}
		tt.server.SetSessionTicketKeys([][32]byte{{1}})
		// The clock of a bubble begins in the year 2000.
		tt.client.RootCAs, tt.client.ServerName, tt.client.Time = roots, "localhost", func() time.Time { return certificate.Leaf.NotBefore }
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				raw, rawServer, ended := passed(nil, 30*time.Second, time.Hour)
				// The proxy has sent the hello, and reads the answer.
				client, server := tls.Client(raw, tt.client), tls.Server(rawServer, tt.server)
				go func() { _ = server.Handshake(); _, _ = io.Copy(server, server) }()
				if err := client.Handshake(); err != nil {
					t.Error(err)
				}
				if got := client.ConnectionState().DidResume; got != tt.resumed {
					t.Errorf("resumed: %v", got)
				}
				time.Sleep(time.Minute)
				go func() { _, _ = client.Write([]byte("still here")) }()
				got := make([]byte, 10)
				if _, err := io.ReadFull(client, got); err != nil || string(got) != "still here" {
					t.Errorf("a minute later: %q, %v", got, err)
				}
				_ = raw.Close()
				_ = rawServer.Close()
				if err := <-ended; Trouble(err) != nil {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}
