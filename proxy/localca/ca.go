// Package localca keeps tlslift's own certificate authority: it makes the CA
// at the first start, loads it at later ones, and signs the short-lived leaf
// certificates that lifted clients see in place of the destination's.
//
// It never overwrites or repairs a CA that it finds, because clients trust that
// very one, and deletes one only where an operator ends a rotation. It never shows
// the CA key anywhere but in ca.key.
package localca

import (
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
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
	// Dir holds ca.pem and ca.key, and nothing else but what Made puts there; required.
	// When it is absent or empty, Open makes a CA there.
	Dir string
	// Permitted are the DNS domains that a new CA may sign for, each with
	// everything below it and written without a wildcard or leading dot. None
	// means no name constraints: the CA could sign for every name. A CA that
	// exists keeps the constraints it has.
	Permitted []string
	// Excluded are the DNS domains that a new device CA may not sign for, in the same form.
	// They are for OpenDeviceCA.
	Excluded []string
	// AnyOwner takes files that belong to another user than root and the own one, for what
	// root does in the directory of a service with a user of its own.
	AnyOwner bool
	// Made is called with the directory of a new CA before that is in its place, where the
	// service finds it; an error keeps it from there. Nil is not called.
	Made func(dir string) error
	// CriticalConstraints marks the name constraints of a new CA critical, as
	// RFC 5280 section 4.2.1.10 wants it. The default is not critical, because
	// OpenSSL 0.9.8 rejects a critical extension that it does not know.
	CriticalConstraints bool
	// ListURL is where clients that ask for a revocation list find those of all CAs, each at
	// its ID with ".crl"; it is written into the leaves. Empty names none.
	ListURL string
	// Log gets a line when something that an interrupted rotation has left is removed; nil
	// means none.
	Log *slog.Logger
	// CacheSize is how many leaves are kept; zero means 1024.
	CacheSize int
	// Now returns the time; nil means time.Now.
	Now func() time.Time
}

// A CA signs leaves. It is safe for concurrent use.
type CA struct {
	authority
	dir     string
	listURL string       // Options.ListURL
	log     *slog.Logger // Options.Log
	created bool
	now     func() time.Time
	keys    map[int]*leafKey // of the leaves, by their length; does not change
	leaves  *cache
	issued  *atomic.Uint64         // shared with next, and with what Reopen makes of it
	problem atomic.Pointer[string] // what is wrong with the files
	next    *CA                    // the new one of a rotation; nil if there is none
}

// authority is what the files of a CA hold.
type authority struct {
	Public
	key  *rsa.PrivateKey
	sums [2][sha256.Size]byte // of the content of the files
}

// Open loads the CA of o.Dir, or makes one if the directory is absent or
// empty. When several processes make one at the same time, one wins and all
// load the winner's. The first key of the usual leaves is made here too, so that
// no client waits for it. During a rotation it loads the new CA as well.
func Open(o Options) (*CA, error) {
	o, err := o.normalised()
	if err != nil {
		return nil, err
	}
	empty, err := vacant(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("looking for a CA: %w", err)
	}
	if empty {
		if err := resumeRotation(o.Dir); err != nil {
			return nil, fmt.Errorf("finishing the rotation of the CA: %w", err)
		}
		if empty, err = vacant(o.Dir); err != nil {
			return nil, fmt.Errorf("looking for a CA: %w", err)
		}
	}
	created := false
	if empty {
		if created, err = create(o); err != nil {
			return nil, fmt.Errorf("making a CA in %s: %w", o.Dir, err)
		}
	}
	ca, err := loadAll(o, &CA{issued: &atomic.Uint64{}})
	if err != nil {
		return nil, err
	}
	ca.created = created
	return ca, nil
}

// loadAll loads the CA of o.Dir, and the new one beside it. What has the same files as before,
// or as the new one of before, goes on with its leaves.
func loadAll(o Options, before *CA) (*CA, error) {
	ca, err := loadOne(o, before)
	if err != nil {
		return nil, fmt.Errorf("loading the CA: %w", err)
	}
	if none, err := vacant(NewDir(o.Dir)); err != nil {
		return nil, fmt.Errorf("looking for a new CA: %w", err)
	} else if !none {
		beside := o
		beside.Dir = NewDir(o.Dir)
		if ca.next, err = loadOne(beside, before); err != nil {
			return nil, fmt.Errorf("loading the new CA: %w", err)
		}
	}
	removed, err := RemoveLeft(o.Dir) // only now: nothing is removed before the CA is good
	switch {
	case err != nil:
		o.Log.Warn("a CA that is not used any more cannot be removed; remove its directory, which has its key",
			"dir", o.Dir+goneSuffix, "error", err)
	case removed:
		o.Log.Info("removed a CA with its key, which an interrupted rotation has left", "dir", o.Dir+goneSuffix)
	}
	return ca, nil
}

// loadOne does so for one directory.
func loadOne(o Options, before *CA) (*CA, error) {
	ca := &CA{dir: o.Dir, listURL: o.ListURL, log: o.Log, now: o.Now, issued: before.issued}
	now := ca.clock()
	var err error
	if ca.authority, err = load(o, now); err != nil {
		return nil, err
	}
	for _, known := range before.Each() {
		if known.sums == ca.sums {
			ca.leaves, ca.keys = known.leaves, known.keys
			return ca, nil
		}
	}
	ca.leaves, ca.keys = newCache(o.CacheSize), newKeys()
	if err := ca.keys[rsaBits].change(now); err != nil {
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
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// clock is the wall clock alone: certificates are about dates, and the
// monotonic clock of time.Time stands still while a machine is suspended.
func (ca *CA) clock() time.Time { return ca.now().Round(0) }

// Created reports whether Open made this CA rather than found it.
func (ca *CA) Created() bool { return ca.created }

// New returns the new CA of a rotation; nil if there is none.
func (ca *CA) New() *CA { return ca.next }

// Each returns the CA, and the new one of a rotation.
func (ca *CA) Each() []*CA {
	if ca.next == nil {
		return []*CA{ca}
	}
	return []*CA{ca, ca.next}
}

// For returns the CA itself, or the new one of a rotation if isNew asks for it and there is
// one.
func (ca *CA) For(isNew bool) *CA {
	if isNew && ca.next != nil {
		return ca.next
	}
	return ca
}

// Issued returns how many leaves were signed since Open, with those of the new CA.
func (ca *CA) Issued() uint64 { return ca.issued.Load() }
