package clienttls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// In a rotation each client gets the CA that its options, or else the setting, name. One that
// is given the other CA resumes no session with the first, so that its trust is tried at once;
// what it was shown is in the record.
func TestRotationChoosesTheCA(t *testing.T) {
	t.Parallel()
	o := localca.Options{Dir: filepath.Join(t.TempDir(), "ca")}
	ca, err := localca.Open(o)
	if err == nil {
		err = localca.StartRotation(o)
	}
	if err == nil {
		ca, err = localca.Reopen(ca)
	}
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	for _, one := range ca.Each() {
		roots.AddCert(one.Certificate())
	}
	file := filepath.Join(t.TempDir(), "ticket.keys")
	for name, version := range map[string]uint16{"legacytls": tls.VersionTLS10, "crypto/tls": tls.VersionTLS13} {
		client := &tls.Config{
			ServerName: resumeHost, RootCAs: roots, MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4),
		}
		for i, step := range []struct {
			setting, option clientfile.CA
			want            *localca.CA
			resumes         bool
			alone           bool // the rotation has ended, and there is no other
		}{
			{clientfile.CAUnset, clientfile.CAUnset, ca, false, false}, {clientfile.CAOld, clientfile.CAUnset, ca, true, false},
			{clientfile.CAOld, clientfile.CANew, ca.New(), false, false}, {clientfile.CANew, clientfile.CAUnset, ca.New(), true, false},
			{clientfile.CANew, clientfile.CAOld, ca, false, false}, {clientfile.CANew, clientfile.CAUnset, ca.New(), false, false},
			{clientfile.CAUnset, clientfile.CAUnset, ca.New(), true, true}, {clientfile.CAUnset, clientfile.CAUnset, ca, false, true},
			{clientfile.CAUnset, clientfile.CAUnset, ca.New(), false, true},
		} {
			s := serverWith(t, file)
			s.CA, s.Rotation = ca, step.setting
			if step.alone {
				s.CA = step.want
			}
			options := clientfile.Options{Leaf: clientfile.Leaf{CA: step.option}}
			got, issuer := shown(t, s, options, client)
			want := step.want.ID()
			if step.resumes {
				want = ""
			}
			if got.Resumed != step.resumes || got.CA != want || !step.resumes && issuer != step.want.Certificate().Subject.String() {
				t.Errorf("%s, step %d: %+v, by %s; want the CA %v", name, i, got, issuer, step.want)
			}
		}
	}
}

// shown connects a client, and returns its handshake as we saw it and who signed the leaf.
func shown(t *testing.T, s *Server, options clientfile.Options, config *tls.Config) (record.Handshake, string) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	ended := make(chan record.Handshake, 1)
	go func() {
		defer far.Close()
		ended <- serveWith(s, far, options)
	}()
	if err := near.SetDeadline(time.Now().Add(testenv.Patience)); err != nil {
		t.Fatal(err)
	}
	client := tls.Client(near, config)
	if _, err := client.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return <-ended, client.ConnectionState().PeerCertificates[0].Issuer.String()
}

// serveWith serves one connection of a client with options.
func serveWith(s *Server, far net.Conn, options clientfile.Options) record.Handshake {
	conn := relay.NewConn(far)
	defer conn.Release()
	h, err := clienthello.Peek(conn)
	if err != nil {
		return record.Handshake{}
	}
	c := Client{Hello: h, Host: resumeHost, Destination: resumeHost + ":443", Options: options, Stack: decide.LegacyStack}
	if h.Version == tls.VersionTLS13 || len(h.SupportedVersions) > 0 && h.SupportedVersions[0] == tls.VersionTLS13 {
		c.Stack = decide.CryptoStack
	}
	leaf, err := s.Leaf(c)
	if err != nil {
		return record.Handshake{}
	}
	inside, err := s.Handshake(context.Background(), conn, c, leaf)
	if err != nil {
		return record.Handshake{}
	}
	_, _ = inside.Write([]byte("x"))
	return *inside.Handshake()
}
