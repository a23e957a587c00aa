package standin_test

import (
	"crypto/tls"
	"testing"

	"github.com/tlslift/tlslift/proxy/standin"
)

const (
	host   = "outlook.office365.com"
	target = host + ":443"
	page   = "https://" + host + "/"
)

func newCloud(t *testing.T) *standin.Cloud {
	t.Helper()
	cloud, err := standin.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cloud.Close)
	return cloud
}

func serveHTTPS(t *testing.T, cloud *standin.Cloud, o standin.TLSOptions) *standin.Server {
	t.Helper()
	server, err := cloud.ServeHTTPS(o)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// direct is a modern client that dials server and trusts cloud.
func direct(cloud *standin.Cloud, server *standin.Server) *standin.Client {
	return &standin.Client{Address: server.Addr(), Roots: cloud.Roots()}
}

func dial(t *testing.T, client *standin.Client) *tls.Conn {
	t.Helper()
	conn, err := client.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func certificate(t *testing.T, cloud *standin.Cloud, o standin.CertOptions) *tls.Certificate {
	t.Helper()
	made, err := cloud.Certificate(o)
	if err != nil {
		t.Fatal(err)
	}
	return &made
}
