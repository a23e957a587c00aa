package fakem365

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"time"
)

const (
	rootLifetime = 365 * 24 * time.Hour
	leafLifetime = 90 * 24 * time.Hour
	backdate     = 24 * time.Hour // for clients whose clock is slow
)

// defaultNames are some of the names that Microsoft's own certificates carry.
// Those that no mail client needs are here because they are there too: whoever
// copies the names of this certificate meets them.
var defaultNames = []string{
	"outlook.com",
	"*.outlook.com",
	"office365.com",
	"*.office365.com",
	"*.outlook.office365.com",
	"outlook.office.com",
	"*.hotmail.com",
	"*.live.com",
	"login.microsoftonline.com",
	"graph.microsoft.com",
}

// CertOptions says what a certificate is to be like. The zero value is a good
// one for the names of Microsoft 365.
type CertOptions struct {
	// Names are the host names and IP addresses it is for, the first of them
	// its common name; none means those of Microsoft 365.
	Names []string
	// NotAfter is when it expires; zero means in 90 days.
	NotAfter time.Time
	// NotBefore is when it starts to be valid; zero means 91 days before
	// NotAfter.
	NotBefore time.Time
	// SelfSigned makes it sign itself; false means that the test root does.
	SelfSigned bool
}

// Certificate makes a certificate with its key, for a server or for a client.
// It may well be a bad one: see CertOptions.
func (f *Service) Certificate(o CertOptions) (tls.Certificate, error) {
	template := leafTemplate(o)
	parent, signer := f.root, f.rootKey
	if o.SelfSigned {
		parent, signer = template, f.leafKey
	}
	leaf, err := sign(template, parent, f.leafKey, signer)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate for %s: %w", template.Subject.CommonName, err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: f.leafKey, Leaf: leaf}, nil
}

// Fingerprint returns the SHA-256 of a certificate in hexadecimal.
func Fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}

func leafTemplate(o CertOptions) *x509.Certificate {
	if len(o.Names) == 0 {
		o.Names = defaultNames
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = time.Now().Add(leafLifetime)
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = o.NotAfter.Add(-leafLifetime - backdate)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: o.Names[0]},
		NotBefore:             o.NotBefore,
		NotAfter:              o.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range o.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template
}

func newRoot(key *rsa.PrivateKey) (*x509.Certificate, error) {
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Fake Microsoft 365 test root, trust it nowhere"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(rootLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	root, err := sign(template, template, key, key)
	if err != nil {
		return nil, fmt.Errorf("making the test root: %w", err)
	}
	return root, nil
}

// sign makes the certificate of template and key below parent. The serial
// number is random: a template without one gets it from crypto/x509.
func sign(template, parent *x509.Certificate, key, signer *rsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
