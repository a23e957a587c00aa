package localca

import (
	"crypto/sha1" //nolint:gosec // the panels of old devices show a fingerprint with it
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/secretfile"
)

// A Public is what everybody may know of a CA: its certificates.
type Public struct {
	// path begins with the CA's own certificate. An operator's intermediate
	// CA is followed by those above it, as far as ca.pem has them.
	path   []*x509.Certificate
	id     string
	file   string
	needed []string // Options.Permitted
}

// newPublic returns a CA with its path.
func newPublic(path []*x509.Certificate, file string, needed []string) Public {
	return Public{path: path, id: strings.ReplaceAll(Fingerprint(path[0]), ":", "")[:16], file: file, needed: needed}
}

// Read returns what is public of the CA of o.Dir, also of one that is not valid now. It
// reads no key, and makes nothing. The error wraps fs.ErrNotExist if there is none.
func Read(o Options) (*Public, error) {
	o, err := o.normalised()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(o.Dir, certificateName)
	text, err := secretfile.ReadState(file, maxFile)
	if err != nil {
		return nil, err
	}
	certs, err := parseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w", file, err)
	}
	ca := newPublic(upToRoot(certs), file, o.Permitted)
	return &ca, nil
}

// Certificate returns the CA's certificate, which must not be changed.
func (ca *Public) Certificate() *x509.Certificate { return ca.path[0] }

// Path returns the CA's certificate and those above it, as far as ca.pem has them.
func (ca *Public) Path() []*x509.Certificate { return slices.Clone(ca.path) }

// CertificateFile returns the path of the PEM file to hand to clients.
func (ca *Public) CertificateFile() string { return ca.file }

// Fingerprint returns the SHA-256 fingerprint of the CA's certificate as
// `openssl x509 -fingerprint -sha256` shows it.
func (ca *Public) Fingerprint() string { return Fingerprint(ca.Certificate()) }

// ID returns a short name of the CA, which stays the same: the first digits of Fingerprint.
func (ca *Public) ID() string { return ca.id }

// Fingerprint returns the SHA-256 fingerprint of a certificate as openssl shows it.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return colons(sum[:])
}

// FingerprintSHA1 is Fingerprint with SHA-1, which the panels of many devices show.
func FingerprintSHA1(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw) //nolint:gosec // for comparing with what a panel shows
	return colons(sum[:])
}

func colons(sum []byte) string { return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":") }
