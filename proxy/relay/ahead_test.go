package relay

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/copybuffer"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A recorded is a connection that, once the handshake is over, is a tape: what one side
// writes, the other reads.
type recorded struct {
	net.Conn
	tape  *bytes.Buffer // nil during the handshake
	reads int
}

func (r *recorded) Read(p []byte) (int, error) {
	if r.tape == nil {
		return r.Conn.Read(p)
	}
	r.reads++
	return r.tape.Read(p)
}

func (r *recorded) Write(p []byte) (int, error) {
	if r.tape == nil {
		return r.Conn.Write(p)
	}
	return r.tape.Write(p)
}

// leafOf returns a certificate for a name, and the roots that trust it.
func leafOf(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// recordedPair returns a TLS whose handshake is over, what is below it, and its peer.
func recordedPair(t *testing.T, version uint16) (ours *TLS, below *recorded, peer *tls.Conn) {
	t.Helper()
	const name = "outlook.office365.com"
	leaf, roots := leafOf(t, name)
	near, far := testenv.TCPPair(t)
	below, farBelow := &recorded{Conn: near}, &recorded{Conn: far}
	raw := NewRaw(below)
	client := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: name, MaxVersion: version})
	peer = tls.Server(farBelow, &tls.Config{Certificates: []tls.Certificate{leaf}, SessionTicketsDisabled: true})
	shaken := make(chan error, 1)
	go func() { shaken <- peer.Handshake() }()
	if err := errors.Join(client.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	below.tape = new(bytes.Buffer)
	farBelow.tape = below.tape
	return NewTLS(client, raw), below, peer
}

// Records that crypto/tls has read at once are given out at once, all bytes in order, and
// what comes after them is not lost: more records, the end, or an end without close_notify.
func TestRecordsAreTakenAlong(t *testing.T) {
	t.Parallel()
	all := pattern(1 << 20)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, isOrderly := range []bool{true, false} {
			ours, below, peer := recordedPair(t, version)
			if _, err := peer.Write(all); err != nil {
				t.Fatal(err)
			}
			if isOrderly {
				if err := peer.CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			var got []byte
			var err error
			largest := 0
			for into := make([]byte, copybuffer.BulkSize); err == nil; {
				var n int
				n, err = ours.Read(into)
				got, largest = append(got, into[:n]...), max(largest, n)
			}
			want := ErrNoCloseNotify
			if isOrderly {
				want = io.EOF
			}
			if !bytes.Equal(got, all) || !errors.Is(err, want) {
				t.Errorf("%x: %d bytes are read, and %v, want %v", version, len(got), err, want)
			}
			if largest <= BufferSize {
				t.Errorf("%x: at most %d bytes are read at once", version, largest)
			}
			if below.reads > len(all)/BufferSize {
				t.Errorf("%x: %d reads below", version, below.reads)
			}
		}
	}
}

// A large record alone, and a part of the next, do not make a read wait, or fail later.
func TestPartOfARecord(t *testing.T) {
	t.Parallel()
	ours, below, peer := recordedPair(t, tls.VersionTLS12)
	all := pattern(400 << 10)
	if _, err := peer.Write(all); err != nil {
		t.Fatal(err)
	}
	rest := bytes.Clone(below.tape.Bytes())
	below.tape.Reset()
	var got []byte
	for into := make([]byte, copybuffer.BulkSize); len(got) < len(all); {
		part := min(len(rest), 20000) // always has the end of a record
		below.tape.Write(rest[:part])
		rest = rest[part:]
		n, err := ours.Read(into)
		if got = append(got, into[:n]...); err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
	}
	if !bytes.Equal(got, all) {
		t.Error("other bytes are read")
	}
}
