// Package crl keeps the revocation lists (CRL) of the CAs in use, for clients that refuse a
// certificate without one, and of the device CA: it signs the next one long before the last one
// ends, and keeps each in a file, so that their numbers only rise.
//
// The lists of the CAs in use are empty: what they sign is short-lived, and its keys never leave
// the process. That of the device CA has what was revoked, from the next request on.
package crl

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/deviceca"
	"github.com/tlslift/tlslift/proxy/atomicfile"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

const (
	// life is how long a list is good.
	life = 7 * 24 * time.Hour
	// use is how long the same one is handed out.
	use = 24 * time.Hour
	// backdate makes up for devices whose clock is slow.
	backdate = 24 * time.Hour
	// maxFile bounds a file; an empty list has less than 1 KiB, and each certificate in it
	// about 50 bytes.
	maxFile = 2 << 20
)

// Lists are the lists of the CAs in use. They are safe for concurrent use.
type Lists struct {
	dir string
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	cas     []*localca.CA
	devices *deviceca.Source
	all     map[string]list   // by the ID of the CA
	said    map[string]string // the last error of each problem in the log
}

// An issuer is a CA that signs lists.
type issuer interface {
	ID() string
	Certificate() *x509.Certificate
	SignList(l localca.RevocationList) ([]byte, error)
	// Revoked returns what a list has at a time, from what the last one had.
	Revoked(before []x509.RevocationListEntry, now time.Time) []x509.RevocationListEntry
}

// An empty is a CA with an empty list.
type empty struct{ *localca.CA }

// Revoked returns nothing.
func (empty) Revoked([]x509.RevocationListEntry, time.Time) []x509.RevocationListEntry { return nil }

// A list is one that was signed.
type list struct {
	der    []byte
	number *big.Int
	signed time.Time
	// revoked are the certificates in it, sorted by their numbers.
	revoked []x509.RevocationListEntry
}

// New returns lists that are kept in a state directory.
func New(stateDir string, log *slog.Logger) *Lists {
	return &Lists{
		dir: filepath.Join(stateDir, "crl"), log: log, now: time.Now, devices: deviceca.NewSource(stateDir), all: map[string]list{},
		said: map[string]string{},
	}
}

// Use says which CA is in use, with the new one of a rotation.
func (l *Lists) Use(ca *localca.CA) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cas = ca.Each()
}

// Get returns the list of the CA with an ID, or for an empty one that of the CA in use, in DER
// form.
func (l *Lists) Get(id string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ca := range l.cas {
		if id == "" || ca.ID() == id {
			return l.of(empty{ca})
		}
	}
	devices, problem := l.devices.Now()
	l.complain("what was revoked of the device CA cannot be read; its list goes on without what is new", problem)
	if devices != nil && devices.ID() == id {
		if problem != nil && l.last(devices).der == nil { // an empty list would take all back
			return nil, errNoList
		}
		der, err := l.of(devices)
		l.complain("the revocation list of the device CA cannot be signed", err)
		if err != nil { // it names files, which are nobody's business who asks
			err = errNoList
		}
		return der, err
	}
	return nil, errors.New("no CA in use has this list; that of the CA is /ca.crl")
}

var errNoList = errors.New("the list cannot be signed; the reason is in the log of tlslift")

// complain logs a problem once, as long as its error stays the same: strangers decide how often
// a list is asked for.
func (l *Lists) complain(problem string, err error) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	if now != "" && now != l.said[problem] {
		l.log.Warn("a revocation list has a problem", "problem", problem, "error", err)
	}
	l.said[problem] = now
}

// of returns the list of a CA, after signing one if the last one has been in use for long, or
// something else is revoked now. The caller holds mu.
func (l *Lists) of(ca issuer) ([]byte, error) {
	now, last := l.now().Round(0), l.last(ca)
	revoked := ca.Revoked(last.revoked, now)
	age := now.Sub(last.signed) // below zero if the clock was set back
	if age >= 0 && age < use && slices.EqualFunc(revoked, last.revoked, isSame) {
		return last.der, nil
	}
	next := list{signed: now, number: l.nextNumber(last, now), revoked: revoked}
	var err error
	next.der, err = ca.SignList(localca.RevocationList{
		Number: next.number, From: now.Add(-backdate), Until: now.Add(life), Revoked: revoked,
	})
	switch {
	case err != nil && age >= 0 && age < life:
		l.complain("a revocation list cannot be signed; the last one is served until it ends", err)
		return last.der, nil
	case err != nil:
		return nil, err
	}
	l.all[ca.ID()] = next
	l.complain("the revocation list of the CA cannot be saved; it is served all the same", l.save(ca, next))
	return next.der, nil
}

// last returns the last list of a CA; the zero value if there is none.
func (l *Lists) last(ca issuer) list {
	last, known := l.all[ca.ID()]
	if !known {
		last = l.load(ca)
		l.all[ca.ID()] = last
	}
	return last
}

// isSame reports whether two entries of lists say the same.
func isSame(a, b x509.RevocationListEntry) bool {
	return a.SerialNumber.Cmp(b.SerialNumber) == 0 && a.RevocationTime.Equal(b.RevocationTime) && a.ReasonCode == b.ReasonCode
}

// nextNumber returns a number above that of the last list: the time, or more if the clock was
// set back. Where the last list was lost, the other files of the state know of a later time.
func (l *Lists) nextNumber(last list, now time.Time) *big.Int {
	if last.number == nil {
		return big.NewInt(max(now.Unix(), l.lastChange()+1))
	}
	next := big.NewInt(now.Unix())
	if last.number.Cmp(next) >= 0 {
		next.Add(last.number, big.NewInt(1))
	}
	return next
}

// lastChange returns when something in the state directory was last written, in seconds. The
// list of clients is written while tlslift runs.
func (l *Lists) lastChange() (last int64) {
	entries, err := os.ReadDir(filepath.Dir(l.dir))
	if err != nil {
		return 0 // without a state, nothing was lost
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			last = max(last, info.ModTime().Unix())
		}
	}
	return last
}

func (l *Lists) file(ca interface{ ID() string }) string { return filepath.Join(l.dir, ca.ID()+".crl") }

// load returns the list that was saved; the zero value if there is none.
func (l *Lists) load(ca issuer) list {
	der, err := secretfile.ReadState(l.file(ca), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return list{}
	}
	if err == nil {
		var saved list
		if saved, err = parse(der, ca.Certificate()); err == nil {
			return saved
		}
	}
	l.log.Warn("the saved revocation list of the CA cannot be used; a new one is made", "error", err)
	return list{}
}

// parse reads a list that the CA has signed.
func parse(der []byte, by *x509.Certificate) (list, error) {
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		return list{}, errors.New("the file is broken")
	}
	if err := parsed.CheckSignatureFrom(by); err != nil {
		return list{}, fmt.Errorf("checking its signature: %w", err)
	}
	revoked := parsed.RevokedCertificateEntries
	slices.SortFunc(revoked, func(a, b x509.RevocationListEntry) int { return a.SerialNumber.Cmp(b.SerialNumber) })
	return list{der: der, number: parsed.Number, signed: parsed.ThisUpdate.Add(backdate), revoked: revoked}, nil
}

// save keeps a list for the next start.
func (l *Lists) save(ca issuer, which list) error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	return atomicfile.Replace(l.file(ca), which.der)
}
