package relay

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"reflect"
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
		Handshake: &Handshake{ToClient: first, Deadline: time.Now().Add(timeout), Timeout: timeout, ClientTimeout: 10 * timeout},
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
	answer := []byte{recordHandshake, 3, 3, 0, 6, 2, 0, 0, 0, 14, 0, recordHandshake, 3, 3, 0, 2, 0, 0}
	answer13 := slices.Concat(hello, []byte{20, 3, 3, 0, 1, 1, recordData, 3, 3, 0, 1, 0})
	resumed := []byte{recordHandshake, 3, 3, 0, 4, 2, 0, 0, 0, 20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 1, 0}
	finished := []byte{20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 1, 0}
	const short, long = 30 * time.Second, 5 * time.Minute
	secondHello := slices.Concat([]byte{20, 3, 3, 0, 1, 1, 22, 3, 3, 1, 0}, make([]byte, 256))
	for name, tt := range map[string]struct {
		server, client []byte
		want           record.Reason
		took           time.Duration
	}{
		"after a header of the answer":  {hello[:5], nil, record.ReasonUpstreamTimeout, short},
		"in the answer":                 {hello[:7], nil, record.ReasonUpstreamTimeout, short},
		"between records of the answer": {hello, nil, record.ReasonClientHandshakeTimeout, short},
		"in the client's next record":   {hello, hello[:6], record.ReasonClientHandshakeTimeout, short},
		"after a HelloRetryRequest":     {hello, secondHello, record.ReasonUpstreamTimeout, short},
		"after data that came too soon": {hello, []byte{23, 3, 3, 0, 1, 1}, record.ReasonUpstreamTimeout, short},
		"in the end of the answer":      {answer[:len(answer)-1], nil, record.ReasonUpstreamTimeout, short},
		"after the answer":              {answer, nil, record.ReasonClientHandshakeTimeout, long},
		"after half of the client's":    {answer, hello, record.ReasonClientHandshakeTimeout, long},
		"after the client's Finished":   {answer, finished, record.ReasonUpstreamTimeout, short},
		"after the answer of TLS 1.3":   {answer13, nil, record.ReasonClientHandshakeTimeout, long},
		"in the answer of TLS 1.3":      {answer13[:len(answer13)-1], nil, record.ReasonUpstreamTimeout, short},
		"in a second record of it":      {append(answer13, 23), nil, record.ReasonUpstreamTimeout, short},
		"after a Finished that resumes": {resumed, nil, record.ReasonClientHandshakeTimeout, long},
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
				if took := time.Since(start); took != tt.took {
					t.Errorf("ended after %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// Where the kernel does not tell what waits, a side that does not read is known by the write
// that waits for it.
func TestHandshakeWaitsInAWrite(t *testing.T) {
	t.Parallel()
	hello := []byte{recordHandshake, 3, 3, 0, 4, 2, 0, 0, 0}
	for name, tt := range map[string]struct {
		first, later []byte // of the destination
		client       []byte
		reads        int // bytes that the client reads
		want         record.Reason
	}{
		"a client that reads nothing":      {hello, nil, nil, 0, record.ReasonClientHandshakeTimeout},
		"a client that reads a part":       {hello, hello[:7], nil, len(hello) + 3, record.ReasonClientHandshakeTimeout},
		"a destination that reads nothing": {hello, nil, hello[:7], len(hello), record.ReasonUpstreamTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, ended := passed(tt.first, 30*time.Second, time.Hour)
				defer client.Close()
				defer server.Close()
				go func() { _, _ = server.Write(tt.later) }()
				go func() {
					_, _ = io.ReadFull(client, make([]byte, tt.reads))
					if len(tt.client) > 0 {
						_, _ = client.Write(tt.client)
					}
				}()
				err := <-ended
				var f *record.Failure
				if !errors.As(err, &f) || f.Reason != tt.want {
					t.Errorf("ended with %v, want %s", err, tt.want)
				}
			})
		})
	}
}

// The destination's time begins when a client that took long has done its part.
func TestHandshakeStallsAfterALongWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout, waits = 30 * time.Second, time.Minute
		answer := []byte{recordHandshake, 3, 3, 0, 4, 2, 0, 0, 0, recordHandshake, 3, 3, 0, 4, messageServerHelloDone, 0, 0, 0}
		client, server, ended := passed(answer, timeout, time.Hour)
		defer client.Close()
		defer server.Close()
		start := time.Now()
		go func() {
			_, _ = io.ReadFull(client, make([]byte, len(answer)))
			time.Sleep(waits) // of the bubble
			_, _ = client.Write([]byte{20, 3, 3, 0, 1, 1, recordHandshake, 3, 3, 0, 1, 0})
		}()
		go func() { _, _ = io.Copy(io.Discard, server) }()
		err := <-ended
		var f *record.Failure
		if !errors.As(err, &f) || f.Reason != record.ReasonUpstreamTimeout {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(start); took != waits+timeout {
			t.Errorf("ended after %v, want %v", took, waits+timeout)
		}
	})
}

// A client may wait for a person before it answers with a certificate. The destination
// has its timeout after that as before.
func TestHandshakeWaitsForPerson(t *testing.T) {
	t.Parallel()
	certificate := testenv.SelfSigned(t, testenv.Template("localhost", "localhost"), testenv.RSAKey(t, 0))
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				raw, rawServer, ended := passed(nil, 30*time.Second, time.Hour)
				client := tls.Client(raw, &tls.Config{
					RootCAs: roots, ServerName: "localhost", MaxVersion: version, Time: func() time.Time { return certificate.Leaf.NotBefore },
					GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
						time.Sleep(4 * time.Minute) // of the bubble
						return &certificate, nil
					},
				})
				server := tls.Server(rawServer, &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert})
				go func() { _ = server.Handshake(); _, _ = server.Write([]byte("welcome")) }()
				got := make([]byte, len("welcome"))
				if _, err := io.ReadFull(client, got); err != nil || string(got) != "welcome" {
					t.Errorf("got %q, %v", got, err)
				}
				synctest.Wait()
				_ = raw.Close()
				_ = rawServer.Close()
				if err := <-ended; Trouble(err) != nil {
					t.Errorf("ended with %v", err)
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

// However the bytes of a side are cut, the same is seen of its records.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{recordHandshake, 3, 3, 0, 6, 2, 0, 0, 0, 14, 0, recordHandshake, 3, 3, 0, 2, 0, 0}, uint8(1))
	f.Add([]byte{recordHandshake, 3, 3, 0, 4, 2, 0, 0, 0, 20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 1, 0, 23, 3, 3, 0, 0}, uint8(4))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var whole, cut records
		whole.read(stream)
		for piece := range slices.Chunk(stream, 1+int(size)) {
			cut.read(piece)
		}
		if !reflect.DeepEqual(whole, cut) {
			t.Errorf("whole %+v, cut %+v", whole, cut)
		}
	})
}

// A direction that has nothing to say yet writes nothing.
func TestNothingIsWrittenFirst(t *testing.T) {
	t.Parallel()
	d := direction{first: []byte{}} // without a connection to write to
	if err := d.sendFirst(); err != nil || d.first != nil {
		t.Errorf("%q is left, %v", d.first, err)
	}
}
