// Package fakem365 is a small fake Microsoft 365 for the demo and the tests:
// servers on the loopback interface, below a root certificate of their own,
// that want of a client's TLS what Microsoft 365 wants, and a client that can
// be as old as a test needs it.
//
// It never listens on another interface, and the keys it makes are never
// written anywhere: nobody should come to trust it.
//
// A Service owns the root and every server. Each protocol is one file with one
// method that starts it: https.go has ServeHTTPS. The mailbox protocols, IMAP
// and POP3, are for tests only and are in package mailbox. Package legacyclient is
// the TLS of a client that crypto/tls cannot be.
package fakem365

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
)

// A Service is one fake Microsoft 365: a test root and the servers below it.
type Service struct {
	root    *x509.Certificate
	rootKey *rsa.PrivateKey
	leafKey *rsa.PrivateKey // shared by all leaves: making an RSA key is slow

	mu      sync.Mutex
	servers []*Server
	closed  bool
}

// Options are those of New. The zero value is a good one.
type Options struct {
	// RootKey is the test root's key; nil means a new one.
	RootKey *rsa.PrivateKey
	// LeafKey is the key of all servers; nil means a new one.
	LeafKey *rsa.PrivateKey
}

// rsaBits is the size of Microsoft's own server keys.
const rsaBits = 2048

// New returns a fake Microsoft 365 with a root of its own and no server yet.
// The caller ends it with Close.
func New(o Options) (*Service, error) {
	for _, key := range []**rsa.PrivateKey{&o.RootKey, &o.LeafKey} {
		if *key != nil {
			continue
		}
		made, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			return nil, fmt.Errorf("making a key of the fake servers: %w", err)
		}
		*key = made
	}
	root, err := newRoot(o.RootKey)
	if err != nil {
		return nil, err
	}
	return &Service{root: root, rootKey: o.RootKey, leafKey: o.LeafKey}, nil
}

// Roots returns the pool with the test root alone.
func (f *Service) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(f.root)
	return pool
}

// RootPEM returns the test root's certificate as a PEM file has it.
func (f *Service) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.root.Raw})
}

// Close ends all servers and waits for their goroutines.
func (f *Service) Close() {
	f.mu.Lock()
	f.closed = true
	servers := f.servers
	f.servers = nil
	f.mu.Unlock()
	for _, server := range servers {
		server.Close()
	}
}

// adopt makes server one of those that Close ends.
func (f *Service) adopt(server *Server) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errors.New("the fake Microsoft 365 is closed")
	}
	f.servers = append(f.servers, server)
	return nil
}
