package testenv

import (
	"crypto/tls"
	"net"
	"net/textproto"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// FakeM365 returns a fake Microsoft 365 that ends with the test. The key of its
// root is its own; that of its servers is the same for all.
func FakeM365(t testing.TB) *fakem365.Service {
	t.Helper()
	fake, err := fakem365.New(fakem365.Options{RootKey: OwnRSAKey(t), LeafKey: RSAKey(t, 0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake
}

// Direct returns a modern client that dials server and trusts fake.
func Direct(fake *fakem365.Service, server *fakem365.Server) *fakem365.Client {
	return &fakem365.Client{Address: server.Addr(), Roots: fake.Roots()}
}

// DialTLS opens TLS by client to target, until the end of the test.
func DialTLS(t testing.TB, client *fakem365.Client, target string) *tls.Conn {
	t.Helper()
	conn, err := client.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// DialText opens a plaintext connection to server until the end of the test.
func DialText(t testing.TB, server *fakem365.Server) (*textproto.Conn, net.Conn) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return textproto.NewConn(conn), conn
}

// StartTLS begins TLS of one version on conn, with a server of fake that has the
// name host.
func StartTLS(t testing.TB, fake *fakem365.Service, conn net.Conn, host string, version uint16) *textproto.Conn {
	t.Helper()
	client := tls.Client(conn, &tls.Config{RootCAs: fake.Roots(), ServerName: host, MinVersion: version, MaxVersion: version})
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return textproto.NewConn(client)
}
