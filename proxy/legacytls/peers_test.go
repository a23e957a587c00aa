package legacytls

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/leafrsa"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// runPeer runs a program and returns what it prints, on standard output first.
// It reads its input from a file, because tstclnt does not end after a pipe.
func runPeer(t *testing.T, stdin []byte, name string, args ...string) (string, error) {
	t.Helper()
	testenv.Need(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	in, err := os.Open(testenv.WriteFile(t, "stdin", stdin))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out, notes bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &notes
	// What a distribution forbids to clients is not what is tested here.
	cmd.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null", "GNUTLS_SYSTEM_PRIORITY_FILE=/dev/null", "no_proxy=*")
	err = cmd.Run()
	return out.String() + notes.String(), err
}

// A peerPKI is a root and the certificates that it signed.
type peerPKI struct {
	root   *testenv.Authority
	sha256 tls.Certificate // RSA-2048 of three primes, signed with SHA-256
	sha1   tls.Certificate // RSA-2048 of crypto/rsa, signed with SHA-1
	ecdsa  tls.Certificate // ECDSA on P-256, signed with RSA and SHA-256
}

var peersOnce struct {
	sync.Once
	pki peerPKI
}

// peerPKIOf is what clients trust and see, the same each time.
func peerPKIOf(t *testing.T) *peerPKI {
	t.Helper()
	peersOnce.Do(func() {
		pki := &peersOnce.pki
		pki.root = testenv.NewAuthority(t, "Root of the tests", testenv.RSAKey(t, 1))
		leaf := testenv.Template(serverName, serverName)
		leaf.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		leaf.SignatureAlgorithm = x509.SHA256WithRSA
		key, err := leafrsa.Generate(2048)
		if err != nil {
			t.Fatal(err)
		}
		pki.sha256 = pki.root.Issue(t, leaf, key)
		leaf.SignatureAlgorithm = x509.SHA1WithRSA
		pki.sha1 = pki.root.Issue(t, leaf, testenv.RSAKey(t, 2))
		leaf.KeyUsage, leaf.SignatureAlgorithm = x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement, x509.SHA256WithRSA
		pki.ecdsa = pki.root.Issue(t, leaf, p256Key(t))
	})
	return &peersOnce.pki
}

// rootFile is the certificate that clients trust.
func rootFile(t *testing.T) string {
	t.Helper()
	return testenv.WriteFile(t, "root.pem", peerPKIOf(t).root.PEM())
}

// unrelatedRoot is a root that signed none of the certificates that clients see.
func unrelatedRoot(t *testing.T) string {
	t.Helper()
	return testenv.WriteFile(t, "unrelated.pem", testenv.CertificatePEM(identity(t).Leaf))
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Sizes of a request: one that fits into a record, and two of many records.
const (
	smallRequest  = 100
	mediumRequest = 40 << 10
	largeRequest  = 200 << 10
)

// newRequest is a request whose body has that many bytes, which no other has.
// They are lines of text, because some clients read lines.
func newRequest(t *testing.T, size int) (request, body []byte) {
	t.Helper()
	raw := make([]byte, 48)
	for len(body) < size {
		if _, err := rand.Read(raw); err != nil {
			t.Fatal(err)
		}
		body = append(base64.StdEncoding.AppendEncode(body, raw), '\n')
	}
	return append(fmt.Appendf(nil, "POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n", len(body)), body...), body
}

// A peerServer sends back what clients send it.
type peerServer struct {
	config *Config
	// waits says that clients close first.
	waits  bool
	port   string
	visits chan chan peerVisit // of each client, in the order in which they came
}

// A peerVisit is one connection of a client.
type peerVisit struct {
	state ConnectionState
	body  []byte // what the client sent
	err   error  // nil after the client's close_notify
}

// start serves until the end of the test.
func (s *peerServer) start(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.visits = make(chan chan peerVisit, 100)
	_, s.port, _ = net.SplitHostPort(ln.Addr().String())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			seen := make(chan peerVisit, 1)
			s.visits <- seen
			serving.Go(func() { seen <- s.receive(conn) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
	})
}

// receive answers one request with its own body, and waits for the client to
// close.
func (s *peerServer) receive(conn net.Conn) (v peerVisit) {
	c := Server(conn, s.config)
	defer c.Close()
	if v.err = c.SetDeadline(time.Now().Add(testenv.Patience)); v.err != nil {
		return v
	}
	if v.err = c.Handshake(); v.err != nil {
		return v
	}
	v.state = c.ConnectionState()
	in := bufio.NewReader(c)
	if _, err := in.Peek(1); errors.Is(err, io.EOF) {
		return v // a client that came for the handshake alone
	}
	request, err := http.ReadRequest(in)
	if err != nil {
		v.err = fmt.Errorf("reading the request: %w", err)
		return v
	}
	if v.body, v.err = io.ReadAll(request.Body); v.err != nil {
		return v
	}
	if v.err = s.answer(c, v.body); v.err != nil {
		return v
	}
	if n, err := io.Copy(io.Discard, in); n > 0 || err != nil {
		v.err = fmt.Errorf("%d bytes after the request, then %w", n, err)
	}
	return v
}

const answerHead = "HTTP/1.0 200 OK\r\n\r\n"

// answer sends an answer that ends with the connection: a client that does not
// get close_notify takes it for cut off.
func (s *peerServer) answer(c *Conn, body []byte) error {
	if _, err := io.WriteString(c, answerHead); err != nil {
		return err
	}
	if _, err := c.Write(body); err != nil || s.waits {
		return err
	}
	return c.CloseWrite()
}

// next is the next visit.
func (s *peerServer) next(t *testing.T) peerVisit {
	t.Helper()
	wait := time.NewTimer(testenv.Patience)
	defer wait.Stop()
	select {
	case seen := <-s.visits:
		select {
		case v := <-seen:
			return v
		case <-wait.C:
		}
	case <-wait.C:
	}
	t.Fatal("no client came, or it did not go")
	return peerVisit{}
}
