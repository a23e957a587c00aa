package localca

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tlslift/tlslift/proxy/atomicfile"
	"github.com/tlslift/tlslift/proxy/netname"
)

const caYears = 10

// vacant reports whether dir is absent or empty. It looks at one directory at
// one moment, so it cannot mistake a CA that is just being put in place for
// one of which a file is missing.
func vacant(dir string) (bool, error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = d.Close() }()
	_, err = d.Readdirnames(1)
	// A directory that was replaced after it was opened does not exist.
	if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return false, err
}

// create makes a CA beside o.Dir and then renames it to there, both files at
// once. It reports false if another process did so first.
func create(o Options) (bool, error) {
	certPEM, keyPEM, err := generate(o)
	if err != nil {
		return false, err
	}
	defer clear(keyPEM)
	return createFrom(o, certPEM, keyPEM)
}

// createFrom does the same with a CA that exists.
func createFrom(o Options, certPEM, keyPEM []byte) (bool, error) {
	dir, err := o.target()
	if err != nil {
		return false, err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return false, writeError(err, parent)
	}
	// A stale one that a crash left behind is in nobody's way.
	made, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".new-*")
	if err != nil {
		return false, writeError(err, parent)
	}
	defer func() { _ = os.RemoveAll(made) }() // nothing there once it is renamed
	if err := fill(made, certPEM, keyPEM); err != nil {
		return false, writeError(err, parent)
	}
	if o.Made != nil {
		if err := o.Made(made); err != nil {
			return false, err
		}
	}
	if placed, err := place(made, dir); !placed || err != nil {
		return false, err
	}
	return true, atomicfile.SyncDir(parent)
}

// target returns where the CA is made. A link leads to another directory only if it is
// somebody's whose directories are no others than those of the process.
func (o Options) target() (string, error) {
	dir, err := filepath.EvalSymlinks(o.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o.Dir, nil
	case err != nil:
		return "", err
	}
	if !o.AnyOwner {
		return dir, nil
	}
	if info, err := os.Lstat(o.Dir); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return o.Dir, err
	}
	return "", fmt.Errorf("%s is a symbolic link, which root does not follow in the directory of another user; remove it", o.Dir)
}

func writeError(err error, parent string) error {
	return fmt.Errorf("%w; let the user that runs tlslift write to %s, or choose another state directory", err, parent)
}

// generate returns the two files of a new CA.
func generate(o Options) (certPEM, keyPEM []byte, err error) {
	now := o.Now()
	if err := checkClock(now); err != nil {
		return nil, nil, err
	}
	domains, err := constraintsOf(o.Permitted)
	if err != nil {
		return nil, nil, err
	}
	template := caTemplate(now)
	template.PermittedDNSDomains = domains
	if len(domains) > 0 { // names without a constraint of their type are all permitted (RFC 5280 section 4.2.1.10)
		template.ExcludedIPRanges = allAddresses()
	}
	template.PermittedDNSDomainsCritical = o.CriticalConstraints
	return selfSigned(template)
}

// selfSigned returns the two files of a CA with a new key.
func selfSigned(template *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, nil, fmt.Errorf("generating CA key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing CA certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding CA key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

// checkClock returns an error while the clock stands at 1970: a CA that is made then would be
// expired as soon as the clock is right.
func checkClock(now time.Time) error {
	if now.Year() < 2026 {
		return fmt.Errorf("the clock says %s; set it first", date(now))
	}
	return nil
}

// caTemplate names the CA by its serial number: an administrator can tell the
// CAs of two installations apart, and the name gives no host away.
func caTemplate(now time.Time) *x509.Certificate {
	serial := newSerial()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			Organization: []string{"tlslift"},
			CommonName:   fmt.Sprintf("tlslift CA %X", serial.Bytes()[:4]),
		},
		SignatureAlgorithm:    x509.SHA256WithRSA,
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(caYears, 0, 0),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// allAddresses returns all addresses of both families.
func allAddresses() []*net.IPNet {
	return []*net.IPNet{{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, {IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}}
}

// newSerial returns a random number of always 16 bytes, whose first bits are
// 01: positive in DER without a padding byte (RFC 5280 section 4.1.2.2).
func newSerial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never returns an error
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b)
}

// constraintsOf returns the domains in lower case.
func constraintsOf(domains []string) ([]string, error) {
	var all []string
	for _, d := range domains {
		d = strings.ToLower(d)
		if !netname.IsHost(d) {
			return nil, fmt.Errorf("name constraint %q is not a domain name", d)
		}
		all = append(all, d)
	}
	return all, nil
}

// fill writes both files into dir, down to the disk. Whose directory is around it may put a
// link into its place, also for root: it is opened within that directory.
func fill(dir string, certPEM, keyPEM []byte) error {
	around, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer func() { _ = around.Close() }() // only looked at
	in, err := around.OpenRoot(filepath.Base(dir))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // each file was synced
	if err := atomicfile.CreateIn(in, keyName, keyPEM, 0o600); err != nil {
		return err
	}
	if err := atomicfile.CreateIn(in, certificateName, certPEM, 0o644); err != nil {
		return err
	}
	return atomicfile.SyncDir(dir)
}

// place renames made to dir and reports false, without an error, if dir is
// no longer vacant. Neither call can remove a directory that is not empty.
func place(made, dir string) (bool, error) {
	// os.Rename refuses every directory that exists, even an empty one.
	if err := syscall.Rmdir(dir); errors.Is(err, syscall.EBUSY) {
		return false, fmt.Errorf("%s is a mount point: give a directory below it", dir)
	}
	err := os.Rename(made, dir)
	if err == nil {
		return true, nil
	}
	if empty, lookErr := vacant(dir); lookErr == nil && !empty {
		return false, nil
	}
	return false, err
}
