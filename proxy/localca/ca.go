// Package localca keeps tlslift's own certificate authority: it makes the CA
// at the first start, loads it at later ones, and signs the short-lived leaf
// certificates that lifted clients see in place of the destination's.
//
// It never overwrites, repairs or deletes a CA that it finds, because clients
// trust that very one, and it never shows the CA key anywhere but in ca.key.
package localca

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// The files of a CA inside its directory.
const (
	certificateName = "ca.pem"
	keyName         = "ca.key"
)

const (
	// rsaBits suits both ends: devices of 2005 manage it, and programs of
	// today refuse less.
	rsaBits = 2048
	// shortBits is for leaves of devices that cannot compute with more.
	shortBits = 1024
	// ecdsaBits is for leaves with an ECDSA key, on P-256.
	ecdsaBits = 256
	// backdate makes up for devices whose clock is slow.
	backdate = 24 * time.Hour

	defaultCacheSize = 1024
)

// Options say where the CA is and how a new one is made.
type Options struct {
	// Dir holds ca.pem and ca.key and nothing else; required. When it is
	// absent or empty, Open makes a CA there.
	Dir string
	// Permitted are the DNS domains that a new CA may sign for, each with
	// everything below it and written without a wildcard or leading dot. None
	// means no name constraints: the CA could sign for every name. A CA that
	// exists keeps the constraints it has.
	Permitted []string
	// CriticalConstraints marks the name constraints of a new CA critical, as
	// RFC 5280 section 4.2.1.10 wants it. The default is not critical, because
	// OpenSSL 0.9.8 rejects a critical extension that it does not know.
	CriticalConstraints bool
	// CacheSize is how many leaves are kept; zero means 1024.
	CacheSize int
	// Now returns the time; nil means time.Now.
	Now func() time.Time
}

// A CA signs leaves. It is safe for concurrent use.
type CA struct {
	authority
	dir     string
	needed  []string // Options.Permitted
	created bool
	now     func() time.Time
	keys    map[int]*leafKey // of the leaves, by their length; does not change
	leaves  *cache
	issued  atomic.Uint64
	problem atomic.Pointer[string] // what is wrong with the files
}

// authority is what the files of a CA hold.
type authority struct {
	// path begins with the CA's own certificate. An operator's intermediate
	// CA is followed by those above it, as far as ca.pem has them.
	path []*x509.Certificate
	key  *rsa.PrivateKey
	sums [2][sha256.Size]byte // of the content of the files
}

// Open loads the CA of o.Dir, or makes one if the directory is absent or
// empty. When several processes make one at the same time, one wins and all
// load the winner's. The first key of the usual leaves is made here too, so that
// no client waits for it.
func Open(o Options) (*CA, error) {
	o, err := o.normalised()
	if err != nil {
		return nil, err
	}
	ca := &CA{dir: o.Dir, needed: o.Permitted, now: o.Now, leaves: newCache(o.CacheSize), keys: newKeys()}
	empty, err := vacant(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("looking for a CA: %w", err)
	}
	if empty {
		if ca.created, err = create(o); err != nil {
			return nil, fmt.Errorf("making a CA in %s: %w", o.Dir, err)
		}
	}
	now := ca.clock()
	if ca.authority, err = load(o.Dir, now); err != nil {
		return nil, fmt.Errorf("loading the CA: %w", err)
	}
	if err = ca.keys[rsaBits].change(now); err != nil {
		return nil, fmt.Errorf("making the key of the leaves: %w", err)
	}
	return ca, nil
}

// normalised returns o with an absolute Dir and the documented defaults.
func (o Options) normalised() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("no directory for the CA is given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("resolving CA directory: %w", err)
	}
	o.Dir = dir
	if o.CacheSize <= 0 {
		o.CacheSize = defaultCacheSize
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// clock is the wall clock alone: certificates are about dates, and the
// monotonic clock of time.Time stands still while a machine is suspended.
func (ca *CA) clock() time.Time { return ca.now().Round(0) }

// Created reports whether Open made this CA rather than found it.
func (ca *CA) Created() bool { return ca.created }

// Certificate returns the CA's certificate, which must not be changed.
func (ca *CA) Certificate() *x509.Certificate { return ca.path[0] }

// CertificateFile returns the path of the PEM file to hand to clients.
func (ca *CA) CertificateFile() string { return filepath.Join(ca.dir, certificateName) }

// Fingerprint returns the SHA-256 fingerprint of the CA's certificate as
// `openssl x509 -fingerprint -sha256` shows it.
func (ca *CA) Fingerprint() string {
	sum := sha256.Sum256(ca.Certificate().Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// Issued returns how many leaves were signed since Open.
func (ca *CA) Issued() uint64 { return ca.issued.Load() }

// String names the CA by its subject and fingerprint.
func (ca *CA) String() string {
	return fmt.Sprintf("%s (SHA-256 %s)", ca.Certificate().Subject, ca.Fingerprint())
}

// Format prints String whatever the verb, so that no %+v or %#v of the CA, or
// of something that holds it, walks down to the key.
func (ca *CA) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, ca.String()) }

// LogValue does for slog what Format does for fmt.
func (ca *CA) LogValue() slog.Value { return slog.StringValue(ca.String()) }
