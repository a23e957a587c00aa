package standby

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"testing"
	"unsafe"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// tlsPair is both ends of TLS over a TCP connection.
func tlsPair(t *testing.T, version uint16) (client, server *tls.Conn) {
	t.Helper()
	certificate := testenv.SelfSigned(t, testenv.Template("standby.test", "standby.test"), testenv.ECDSAKey(t))
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: version, MaxVersion: version,
		ServerName: "standby.test", RootCAs: x509.NewCertPool(),
	}
	config.RootCAs.AddCert(certificate.Leaf)
	far, near := testenv.TCPPair(t)
	client, server = tls.Client(far, config), tls.Server(near, config)
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return client, server
}

// carry sends n bytes of one kind, and reads them in pieces.
func carry(t *testing.T, from, to *tls.Conn, n int) {
	t.Helper()
	want := bytes.Repeat([]byte("plaintext"), n)
	done := make(chan error, 1)
	go func() {
		_, err := from.Write(want)
		done <- err
	}()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("reading: %v, or other bytes", err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// This version of Go has the buffers where Shrink looks for them, holds something in them after
// large records, and goes on after they were dropped.
func TestShrink(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client, server := tlsPair(t, version)
		for _, conn := range []*tls.Conn{client, server} {
			other := client
			if conn == client {
				other = server
			}
			for range 3 {
				carry(t, other, conn, 100_000)
				raw := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(conn), layout().rawInput))
				all := raw.Bytes() // and what comes after it
				all = all[:cap(all)]
				if !layout().known || raw.Cap() == 0 {
					t.Fatal("this version of Go has other buffers")
				}
				Shrink(conn)
				if raw.Cap() != 0 {
					t.Errorf("%x: %d bytes stay", version, raw.Cap())
				}
				if bytes.Contains(all, []byte("plaintext")) {
					t.Errorf("%x: plaintext stays", version)
				}
			}
		}
	}
}

// What is still to be read stays.
func TestShrinkKeepsWhatIsUnread(t *testing.T) {
	t.Parallel()
	client, server := tlsPair(t, tls.VersionTLS13)
	if _, err := client.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("second")); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for len(got) < len("firstsecond") {
		var one [2]byte
		n, err := server.Read(one[:])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, one[:n]...)
		Shrink(server)
	}
	if string(got) != "firstsecond" {
		t.Errorf("got %q", got)
	}
}
