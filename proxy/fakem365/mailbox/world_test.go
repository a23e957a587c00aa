package mailbox_test

import (
	"crypto/tls"
	"net"
	"net/textproto"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

const (
	host   = "outlook.office365.com"
	target = host + ":443"

	scanner  = "Scanner@contoso.example"
	password = "Pa55 word"
)

func accounts() fakem365.Accounts {
	return fakem365.Accounts{{Address: scanner, Password: password}}
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

func dialMail(t *testing.T, server *fakem365.Server) (*textproto.Conn, net.Conn) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return textproto.NewConn(conn), conn
}

func secure(t *testing.T, fake *fakem365.Service, conn net.Conn, version uint16) *textproto.Conn {
	t.Helper()
	client := tls.Client(conn, &tls.Config{
		RootCAs: fake.Roots(), ServerName: host, MinVersion: version, MaxVersion: version,
	})
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return textproto.NewConn(client)
}
