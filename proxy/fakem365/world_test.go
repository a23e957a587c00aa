package fakem365_test

import (
	"crypto/tls"
	"io"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

const (
	host   = "outlook.office365.com"
	target = host + ":443"
	page   = "https://" + host + "/"
)

func serveHTTPS(t *testing.T, fake *fakem365.Service, o fakem365.TLSOptions) *fakem365.Server {
	t.Helper()
	server, err := fake.ServeHTTPS(o)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// direct is a modern client that dials server and trusts fake.
func direct(fake *fakem365.Service, server *fakem365.Server) *fakem365.Client {
	return &fakem365.Client{Address: server.Addr(), Roots: fake.Roots()}
}

func dial(t *testing.T, client *fakem365.Client) *tls.Conn {
	t.Helper()
	conn, err := client.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func certificate(t *testing.T, fake *fakem365.Service, o fakem365.CertOptions) *tls.Certificate {
	t.Helper()
	made, err := fake.Certificate(o)
	if err != nil {
		t.Fatal(err)
	}
	return &made
}

// echoBack is a handler that sends back what it gets.
func echoBack(conn *tls.Conn) { _, _ = io.Copy(conn, conn) }
