// Package standin is a small Microsoft 365 for the demo and the tests: servers
// on the loopback interface, below a root certificate of their own, that want
// from a client's TLS what Microsoft 365 wants, and a client that can be as old
// as one likes to try them with.
//
// It never listens on another interface, and the keys it makes are never
// written anywhere: nobody should come to trust it.
//
// A Cloud owns the root and every server. Each protocol is one file with one
// method that starts it: https.go has ServeHTTPS.
package standin

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
)

// A Cloud is one stand-in: a test root and the servers below it.
type Cloud struct {
	root    *x509.Certificate
	rootKey *rsa.PrivateKey
	leafKey *rsa.PrivateKey // shared by all leaves: making an RSA key is slow

	mu      sync.Mutex
	servers []*Server
	closed  bool
}

// rsaBits is the size of Microsoft's own server keys.
const rsaBits = 2048

// New makes a stand-in with a root of its own and no server yet. The caller
// ends it with Close.
func New() (*Cloud, error) {
	rootKey, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, fmt.Errorf("making the test root's key: %w", err)
	}
	leafKey, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, fmt.Errorf("making the servers' key: %w", err)
	}
	root, err := newRoot(rootKey)
	if err != nil {
		return nil, err
	}
	return &Cloud{root: root, rootKey: rootKey, leafKey: leafKey}, nil
}

// Roots is the pool with the test root alone.
func (c *Cloud) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.root)
	return pool
}

// RootPEM is the test root's certificate as a PEM file has it.
func (c *Cloud) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.root.Raw})
}

// Close ends all servers and waits for their goroutines.
func (c *Cloud) Close() {
	c.mu.Lock()
	c.closed = true
	servers := c.servers
	c.servers = nil
	c.mu.Unlock()
	for _, server := range servers {
		server.Close()
	}
}

// adopt makes server one of those that Close ends.
func (c *Cloud) adopt(server *Server) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("the stand-in is closed")
	}
	c.servers = append(c.servers, server)
	return nil
}
