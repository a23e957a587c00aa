package legacytls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// The benchmarks of this file are run by hand, to compare with crypto/tls:
//
//	go test -run '^$' -bench Speed ./proxy/legacytls
//
// The client is crypto/tls's in both, and its work is in the times.

// A stack is a TLS server.
type stack struct {
	name   string
	server func(b *testing.B, conn net.Conn, suite uint16) net.Conn
}

func stacks() []stack {
	return []stack{
		{"legacytls", func(b *testing.B, conn net.Conn, _ uint16) net.Conn {
			return Server(conn, &Config{Certificate: identity(b)})
		}},
		{"crypto-tls", func(b *testing.B, conn net.Conn, suite uint16) net.Conn {
			return tls.Server(conn, &tls.Config{
				Certificates: []tls.Certificate{*identity(b)}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite},
				SessionTicketsDisabled: true,
			})
		}},
	}
}

// eachStack runs a benchmark with each stack and suite.
func eachStack(b *testing.B, run func(b *testing.B, s stack, suite uint16), suites ...uint16) {
	for _, suite := range suites {
		for _, s := range stacks() {
			b.Run(SuiteName(suite)+"/"+s.name, func(b *testing.B) { run(b, s, suite) })
		}
	}
}

// pipe is a connection over loopback without a deadline.
func pipe(b *testing.B) (near, far net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	if near, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		b.Fatal(err)
	}
	if far, err = listener.Accept(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

func BenchmarkSpeedHandshake(b *testing.B) {
	eachStack(b, func(b *testing.B, s stack, suite uint16) {
		config := clientConfig(b, tls.VersionTLS12, suite)
		best := time.Hour
		for range b.N {
			near, far := pipe(b)
			server := s.server(b, far, suite)
			servers.Go(func() { _, _ = server.Read(make([]byte, 1)) })
			began := time.Now()
			if err := tls.Client(near, config).Handshake(); err != nil {
				b.Fatal(err)
			}
			best = min(best, time.Since(began))
			_, _ = near.Close(), far.Close()
		}
		b.ReportMetric(float64(best), "ns-best")
	}, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
}

// bulkSuites are GCM, and CBC with each MAC.
var bulkSuites = []uint16{
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// A bench is a client and a server in one goroutine, whose bytes go through
// memory once the handshake has ended.
type bench struct {
	net.Conn
	written bytes.Buffer
	peer    *bench // nil during the handshake
}

func (m *bench) Write(p []byte) (int, error) {
	if m.peer == nil {
		return m.Conn.Write(p)
	}
	return m.written.Write(p)
}

func (m *bench) Read(p []byte) (int, error) {
	if m.peer == nil {
		return m.Conn.Read(p)
	}
	return m.peer.written.Read(p)
}

// benchmarkBulk sends so many bytes at a time, and times the server alone.
func benchmarkBulk(b *testing.B, toServer bool, size int) {
	eachStack(b, func(b *testing.B, s stack, suite uint16) {
		near, far := pipe(b)
		clientEnd, serverEnd := &bench{Conn: near}, &bench{Conn: far}
		client, server := tls.Client(clientEnd, clientConfig(b, tls.VersionTLS12, suite)), s.server(b, serverEnd, suite)
		shaken := make(chan error, 1)
		servers.Go(func() { shaken <- server.(interface{ Handshake() error }).Handshake() })
		if err := errors.Join(client.Handshake(), <-shaken); err != nil {
			b.Fatal(err)
		}
		clientEnd.peer, serverEnd.peer = serverEnd, clientEnd
		from, to := server, net.Conn(client)
		if toServer {
			from, to = to, from
		}
		block := make([]byte, size)
		var writing, reading time.Duration
		best := time.Hour // of a hundred: what the machine does beside is not in it
		for i := range b.N {
			began := time.Now()
			if _, err := from.Write(block); err != nil {
				b.Fatal(err)
			}
			written := time.Now()
			if _, err := io.ReadFull(to, block); err != nil {
				b.Fatal(err)
			}
			writing, reading = writing+written.Sub(began), reading+time.Since(written)
			if i%100 == 99 {
				took := writing
				if toServer {
					took = reading
				}
				best, writing, reading = min(best, took/100), 0, 0
			}
		}
		b.ReportMetric(float64(best), "ns-best")
	}, bulkSuites...)
}

// Sizes of what is sent at once: what the relay reads, and a line of a mail.
const (
	bulk  = 32 << 10
	short = 80
)

func BenchmarkSpeedWrite(b *testing.B) { benchmarkBulk(b, false, bulk) }

func BenchmarkSpeedRead(b *testing.B) { benchmarkBulk(b, true, bulk) }

func BenchmarkSpeedReadShort(b *testing.B) { benchmarkBulk(b, true, short) }
