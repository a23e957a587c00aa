// Package crl keeps the revocation lists (CRL) of the CAs in use, for clients that refuse a
// certificate without one: it signs the next one long before the last one ends, and keeps
// each in a file, so that their numbers only rise.
//
// The lists are empty: what the CA signs is short-lived, and its keys never leave the process.
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
	"sync"
	"time"

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
	// maxFile bounds a file; an empty list has less than 1 KiB.
	maxFile = 64 << 10
)

// Lists are the lists of the CAs in use. They are safe for concurrent use.
type Lists struct {
	dir string
	log *slog.Logger
	now func() time.Time

	mu  sync.Mutex
	cas []*localca.CA
	all map[string]list // by the ID of the CA
}

// A list is one that was signed.
type list struct {
	der    []byte
	number *big.Int
	signed time.Time
}

// New returns lists that are kept in a state directory.
func New(stateDir string, log *slog.Logger) *Lists {
	return &Lists{dir: filepath.Join(stateDir, "crl"), log: log, now: time.Now, all: map[string]list{}}
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
			return l.of(ca)
		}
	}
	return nil, errors.New("no CA in use has this list; that of the CA is /ca.crl")
}

// of returns the list of a CA, after signing one if the last one has been in use for long.
// The caller holds mu.
func (l *Lists) of(ca *localca.CA) ([]byte, error) {
	now := l.now().Round(0)
	last, known := l.all[ca.ID()]
	if !known {
		last = l.load(ca)
	}
	if age := now.Sub(last.signed); age >= 0 && age < use { // below zero if the clock was set back
		l.all[ca.ID()] = last
		return last.der, nil
	}
	next := list{signed: now, number: big.NewInt(now.Unix())}
	if last.number != nil && last.number.Cmp(next.number) >= 0 {
		next.number = new(big.Int).Add(last.number, big.NewInt(1))
	}
	var err error
	next.der, err = ca.SignList(localca.RevocationList{Number: next.number, From: now.Add(-backdate), Until: now.Add(life)})
	if err != nil {
		return nil, err
	}
	l.all[ca.ID()] = next
	if err := l.save(ca, next); err != nil {
		l.log.Warn("the revocation list of the CA cannot be saved; it is served all the same", "error", err)
	}
	return next.der, nil
}

func (l *Lists) file(ca *localca.CA) string { return filepath.Join(l.dir, ca.ID()+".crl") }

// load returns the list that was saved; the zero value if there is none.
func (l *Lists) load(ca *localca.CA) list {
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
	return list{der: der, number: parsed.Number, signed: parsed.ThisUpdate.Add(backdate)}, nil
}

// save keeps a list for the next start.
func (l *Lists) save(ca *localca.CA, which list) error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	return atomicfile.Replace(l.file(ca), which.der)
}
