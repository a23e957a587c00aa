package legacytls

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// needPeer skips the test on a machine without the programs or files of real
// clients, and fails it with TLSLIFT_TEST_PEERS=required.
func needPeer(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		} else if _, stat := os.Stat(name); stat == nil {
			continue
		}
		if os.Getenv("TLSLIFT_TEST_PEERS") == "required" {
			t.Fatalf("%s is not there, and TLSLIFT_TEST_PEERS=required", name)
		}
		t.Skipf("%s is not there; .ci/run installs it", name)
	}
}

// runPeer runs a program and returns what it prints, on standard output first.
// It reads its input from a file, because tstclnt does not end after a pipe.
func runPeer(t *testing.T, stdin []byte, name string, args ...string) (string, error) {
	t.Helper()
	needPeer(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	in, err := os.Open(writeFile(t, "stdin", stdin))
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

// A peerPKI is a root and what it vouches for.
type peerPKI struct {
	root   []byte           // PEM
	sha256 *tls.Certificate // RSA-2048, signed with SHA-256
	sha1   *tls.Certificate // the same, signed with SHA-1
}

var certifyPeers = sync.OnceValues(func() (*peerPKI, error) {
	rootKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	valid := x509.Certificate{NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	root := valid
	root.SerialNumber, root.Subject = big.NewInt(1), pkix.Name{CommonName: "Root of the tests"}
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, &root, &root, rootKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	leaf := valid
	leaf.Subject, leaf.DNSNames = pkix.Name{CommonName: serverName}, []string{serverName}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	pki := &peerPKI{root: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	for algorithm, cert := range map[x509.SignatureAlgorithm]**tls.Certificate{x509.SHA256WithRSA: &pki.sha256, x509.SHA1WithRSA: &pki.sha1} {
		leaf.SerialNumber, leaf.SignatureAlgorithm = big.NewInt(int64(algorithm)), algorithm
		der, err := x509.CreateCertificate(rand.Reader, &leaf, &root, key.Public(), rootKey)
		if err != nil {
			return nil, err
		}
		*cert = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	return pki, nil
})

// rootFile is the certificate that clients trust.
func rootFile(t *testing.T) string {
	t.Helper()
	return writeFile(t, "root.pem", peerPKIOf(t).root)
}

// strangersRoot is a root that vouches for none of what clients see.
func strangersRoot(t *testing.T) string {
	t.Helper()
	stranger, err := identity()
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "stranger.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: stranger.Certificate[0]}))
}

// writeFile writes a file that goes away with the test.
func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func peerPKIOf(t *testing.T) *peerPKI {
	t.Helper()
	pki, err := certifyPeers()
	if err != nil {
		t.Fatal(err)
	}
	return pki
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
	if v.err = c.SetDeadline(time.Now().Add(patience)); v.err != nil {
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
	wait := time.NewTimer(patience)
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
