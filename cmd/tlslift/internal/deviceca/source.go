package deviceca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// A Source is what the running service reads of the device CA in its state directory. It is
// safe for concurrent use.
type Source struct {
	dir string

	mu   sync.Mutex
	seen fs.FileInfo  // of the register, when it was read
	last *Revocations // nil for none
}

// NewSource returns the source of a state directory, in which there may be none.
func NewSource(stateDir string) *Source { return &Source{dir: Dir(stateDir)} }

// Revocations are a device CA, and what was revoked of it.
type Revocations struct {
	*localca.Public

	dir  string
	have register
}

// Now returns the device CA as its register is now; nil if there is none. With an error, it is
// as it was before; where nothing was read before, it has no more than what the last list has.
func (s *Source) Now() (*Revocations, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(filepath.Join(s.dir, registerName))
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist) && s.isAbsent():
		s.seen, s.last = nil, nil
		return nil, nil
	default:
		return s.before(), err
	}
	if s.seen != nil && os.SameFile(s.seen, info) && s.seen.ModTime().Equal(info.ModTime()) && s.seen.Size() == info.Size() {
		return s.last, nil
	}
	next, err := s.read()
	if err != nil {
		return s.before(), err
	}
	s.seen, s.last = info, next
	return next, nil
}

// before returns what is left without a register.
func (s *Source) before() *Revocations {
	if s.last != nil {
		return s.last
	}
	ca, err := localca.Read(localca.Options{Dir: s.dir})
	if err != nil {
		return nil
	}
	return &Revocations{Public: ca, dir: s.dir}
}

func (s *Source) isAbsent() bool {
	_, err := os.Lstat(s.dir)
	return errors.Is(err, fs.ErrNotExist)
}

func (s *Source) read() (*Revocations, error) {
	if err := secretfile.CheckDirectory(s.dir); err != nil {
		return nil, err
	}
	ca, err := localca.Read(localca.Options{Dir: s.dir})
	if err != nil {
		return nil, err
	}
	r, err := loadRegister(s.dir)
	if err != nil {
		return nil, err
	}
	return &Revocations{Public: ca, dir: s.dir, have: r}, nil
}

// Revoked returns what a list has at a time. Nothing that the last list had is taken back
// before it has expired, also if the register was restored from before.
func (r *Revocations) Revoked(before []x509.RevocationListEntry, now time.Time) []x509.RevocationListEntry {
	return r.have.revoked(before, now)
}

// SignList signs a list with the key of the device CA, which is read for that and not kept.
func (r *Revocations) SignList(l localca.RevocationList) ([]byte, error) {
	ca, err := localca.LoadDeviceCA(localca.Options{Dir: r.dir})
	if err != nil {
		return nil, err
	}
	if ca.Fingerprint() != r.Fingerprint() {
		return nil, fmt.Errorf("the device CA in %s is another one than before", r.dir)
	}
	return ca.SignList(l)
}
