package localca

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/tlslift/tlslift/proxy/secretfile"
)

// maxFile bounds each file; a certificate with its key needs a few KiB.
const maxFile = 1 << 20

// load reads the CA of o.Dir. Every error names the file and what to do.
func load(o Options, now time.Time) (authority, error) {
	dir := o.Dir
	certPEM, keyPEM, err := readFiles(o)
	if err != nil {
		return authority{}, err
	}
	defer clear(keyPEM)
	a, err := parse(dir, certPEM, keyPEM)
	if err != nil {
		return authority{}, fmt.Errorf("%w; %s", err, renew(dir))
	}
	if err := checkDates(a.path[0], now, renew(dir)); err != nil {
		return authority{}, fmt.Errorf("%s %w", filepath.Join(dir, certificateName), err)
	}
	a.sums, a.needed = sumsOf(certPEM, keyPEM), o.Permitted
	return a, nil
}

// readFiles returns the content of the files in dir, which others must not be able to
// change. The caller clears that of the key.
func readFiles(o Options) (certPEM, keyPEM []byte, err error) {
	dir := o.Dir
	certFile, keyFile := filepath.Join(dir, certificateName), filepath.Join(dir, keyName)
	readTrusted, readKey := secretfile.ReadTrusted, secretfile.ReadKey
	if o.AnyOwner {
		readTrusted, readKey = secretfile.ReadState, secretfile.ReadPrivate
	} else if err := secretfile.CheckDirectory(dir); err != nil {
		return nil, nil, err
	}
	if certPEM, err = readTrusted(certFile, maxFile); err != nil {
		return nil, nil, readable(certFile, renew(dir), err)
	}
	if keyPEM, err = readKey(keyFile, maxFile); err != nil {
		return nil, nil, readable(keyFile, renew(dir), err)
	}
	return certPEM, keyPEM, nil
}

// sumsOf returns what tells whether the files have the same content later.
func sumsOf(certPEM, keyPEM []byte) [2][sha256.Size]byte {
	return [...][sha256.Size]byte{sha256.Sum256(certPEM), sha256.Sum256(keyPEM)}
}

// renew is the remedy for a CA that is of no use any more.
func renew(dir string) string {
	return fmt.Sprintf("move the directory %s away to let tlslift make a new CA; clients must then import it", dir)
}

// parse reads the content of the files in dir.
func parse(dir string, certPEM, keyPEM []byte) (authority, error) {
	certFile, keyFile := filepath.Join(dir, certificateName), filepath.Join(dir, keyName)
	certs, err := parseCertificates(certPEM)
	if err != nil {
		return authority{}, fmt.Errorf("%s %w", certFile, err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return authority{}, fmt.Errorf("%s %w", keyFile, err)
	}
	if !key.PublicKey.Equal(certs[0].PublicKey) {
		return authority{}, fmt.Errorf("%s is not the key of %s", keyFile, certificateName)
	}
	return authority{Public: newPublic(upToRoot(certs), certFile, nil), key: key}, nil
}

// upToRoot leaves out what follows the first root: it cannot be above it.
func upToRoot(certs []*x509.Certificate) []*x509.Certificate {
	if i := slices.IndexFunc(certs, isRoot); i >= 0 {
		return certs[:i+1]
	}
	return certs
}

func isRoot(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// readable returns an error of reading a file of the CA with what to do.
func readable(path, remedy string, err error) error {
	var access *secretfile.AccessError
	switch {
	case err == nil || errors.As(err, &access):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is missing; restore it from a backup, or %s", path, remedy)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let the user that runs tlslift read it", err)
	}
	return fmt.Errorf("%w; %s", err, remedy)
}

// parseCertificates returns the CA's certificate and those that follow it.
// Its errors continue a sentence that begins with the name of the file.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	// Searched as text, to find also a key that is not well-formed.
	if bytes.Contains(data, []byte("PRIVATE KEY")) {
		return nil, errors.New("is handed to clients but holds a private key, which belongs in " + keyName)
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds a broken certificate (%w)", err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("holds no certificate in PEM form")
	}
	return certs, checkCA(certs[0])
}

func checkCA(cert *x509.Certificate) error {
	// Without a key usage extension, every use is allowed (RFC 5280 section
	// 4.2.1.3).
	signs := cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0
	switch key, isRSA := cert.PublicKey.(*rsa.PublicKey); {
	case !cert.BasicConstraintsValid || !cert.IsCA || !signs:
		return errors.New("is not the certificate of a CA")
	case !isRSA:
		return fmt.Errorf("has a key of type %s, and old devices know only RSA", cert.PublicKeyAlgorithm)
	case key.N.BitLen() < 1024: // crypto/rsa does not sign with less
		return fmt.Errorf("has an RSA key of only %d bits", key.N.BitLen())
	}
	return nil
}

// parseKey returns the first private key in data. Its errors continue a
// sentence that begins with the name of the file, and never quote the file.
func parseKey(data []byte) (*rsa.PrivateKey, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, errors.New("is encrypted, and tlslift must start without a passphrase")
		case block.Type == "EC PRIVATE KEY":
			return nil, errors.New("holds an ECDSA key, and old devices know only RSA")
		case block.Type == "RSA PRIVATE KEY":
			key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			if err != nil {
				return nil, errors.New("holds a broken RSA key")
			}
			return key, nil
		case block.Type == "PRIVATE KEY":
			return parsePKCS8(block.Bytes)
		}
	}
	return nil, errors.New("holds no private key in PEM form")
}

func parsePKCS8(der []byte) (*rsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("holds a broken private key")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("holds a key of another type than RSA, and old devices know only that")
	}
	return key, nil
}

// checkDates returns an error unless cert is valid now; remedy is for one that
// expired. Its errors continue a sentence that begins with the certificate.
func checkDates(cert *x509.Certificate, now time.Time, remedy string) error {
	if now.Before(cert.NotBefore) {
		return fmt.Errorf("is not valid before %s, and the clock says %s; set the clock", date(cert.NotBefore), date(now))
	}
	if now.After(cert.NotAfter) {
		return fmt.Errorf("expired at %s; %s", date(cert.NotAfter), remedy)
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// String names the CA by its subject and fingerprint.
func (ca *authority) String() string {
	return fmt.Sprintf("%s (SHA-256 %s)", ca.Certificate().Subject, ca.Fingerprint())
}

// Format prints String whatever the verb, so that no %+v or %#v of the CA, or
// of something that holds it, walks down to the key.
func (ca *authority) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, ca.String()) }

// LogValue does for slog what Format does for fmt.
func (ca *authority) LogValue() slog.Value { return slog.StringValue(ca.String()) }
