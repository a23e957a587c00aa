// Package identity makes the keys and certificates of a comparison: one root for the
// destination, one for the proxies, and what each shows. They are for loopback and are
// thrown away with their directory.
package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Host is the destination of each connection that is not of mail, and MailHost that of
// mail. tlslift knows them, and connects to the backend instead.
const (
	Host     = "outlook.office365.com"
	MailHost = "smtp.office365.com"
)

// The files that Write makes in its directory.
const (
	BackendRoot  = "backend-ca.pem"  // what proxies verify the backend with
	BackendRSA   = "backend-rsa.pem" // certificate and key, as Microsoft 365 has them
	BackendECDSA = "backend-ecdsa.pem"
	ProxyRoot    = "proxy-ca.pem" // what clients verify proxies with
	ProxyRootKey = "proxy-ca.key"
	ProxyLeaf    = "proxy.pem" // certificate and key, for proxies that make none themselves
	ProxyECDSA   = "proxy-ecdsa.pem"
)

// rsaBits is the size of all RSA keys: that of tlslift's leaves, and of Microsoft's.
const rsaBits = 2048

// An authority is a root with its key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Write makes the identities and writes them into dir.
func Write(dir string) error {
	backend, err := newAuthority("backend root")
	if err != nil {
		return err
	}
	proxies, err := newAuthority("proxy root")
	if err != nil {
		return err
	}
	var ecKeys [2]crypto.Signer
	for i := range ecKeys {
		if ecKeys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return fmt.Errorf("making a key: %w", err)
		}
	}
	keyPEM, err := pemKey(proxies.key)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		BackendRoot: pemCert(backend.cert.Raw), ProxyRoot: pemCert(proxies.cert.Raw), ProxyRootKey: keyPEM,
	}
	for _, leaf := range []struct {
		file string
		by   authority
		key  crypto.Signer
	}{{BackendRSA, backend, nil}, {BackendECDSA, backend, ecKeys[0]}, {ProxyLeaf, proxies, nil}, {ProxyECDSA, proxies, ecKeys[1]}} {
		if files[leaf.file], err = leaf.by.issue(leaf.key); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return fmt.Errorf("writing an identity: %w", err)
		}
	}
	return nil
}

func newAuthority(name string) (authority, error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return authority{}, fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, fmt.Errorf("making a root: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, fmt.Errorf("reading a root: %w", err)
	}
	return authority{cert: cert, key: key}, nil
}

// issue returns a certificate for both hosts and its key; without a key, with a new one
// for RSA.
func (a authority) issue(key crypto.Signer) ([]byte, error) {
	if key == nil {
		var err error
		if key, err = rsa.GenerateKey(rand.Reader, rsaBits); err != nil {
			return nil, fmt.Errorf("making a key: %w", err)
		}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: Host},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{Host, MailHost},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	keyPEM, err := pemKey(key)
	if err != nil {
		return nil, err
	}
	return append(pemCert(der), keyPEM...), nil
}

func pemCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func pemKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
