package relay

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A client that is refused while its bytes are relayed is read from until it ends, although a
// read waits for nothing then, and is ended when its direction is to come to rest.
func TestReadOutInARelay(t *testing.T) {
	t.Parallel()
	certificate := testenv.SelfSigned(t, testenv.Template("relay.test", "relay.test"), testenv.ECDSAKey(t))
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	clientTCP, near := testenv.TCPPair(t)
	client := tls.Client(clientTCP, &tls.Config{ServerName: "relay.test", RootCAs: roots})
	raw := NewRaw(near)
	conn := NewTLS(tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{certificate}}), raw)
	shaken := make(chan error, 1)
	go func() { shaken <- client.Handshake() }()
	if err := conn.Conn.(*tls.Conn).Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	raw.setStandby(true)
	if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil { // as idleWatch.ask does
		t.Fatal(err)
	}
	read := make(chan int64, 1)
	go func() { read <- ReadOut(conn, 1<<20) }()
	late := bytes.Repeat([]byte("late"), 10_000)
	for i, piece := range [][]byte{late[:1], late[1:]} {
		if _, err := client.Write(piece); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n := <-read; n != int64(len(late)) {
		t.Errorf("%d bytes of %d were read", n, len(late))
	}
}
