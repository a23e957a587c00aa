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
