package localca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/leafrsa"
)

// keyUse is how long new leaves get the same key.
const keyUse = 7 * 24 * time.Hour

// leafKey is the key that all new leaves with one length of key share. Making
// one takes seconds on a small machine, far longer than a signature does.
type leafKey struct {
	bits     int
	current  atomic.Pointer[datedKey] // nil until a leaf needs it
	changing sync.Mutex
}

type datedKey struct {
	crypto.Signer // of RSA it is a crypto.Decrypter too
	made          time.Time
}

// newKeys returns the keys of leaves, none of which is made yet.
func newKeys() map[int]*leafKey {
	return map[int]*leafKey{rsaBits: {bits: rsaBits}, shortBits: {bits: shortBits}, ecdsaBits: {bits: ecdsaBits}}
}

// fresh is false too when the clock was set back by more than the key's use.
func (k *datedKey) fresh(now time.Time) bool {
	return k != nil && now.Sub(k.made).Abs() < keyUse
}

// at returns the key to use now. The caller that finds it too old makes the
// next one, and the others use the old one until then; only for the first one
// all have to wait.
func (l *leafKey) at(now time.Time) (crypto.Signer, error) {
	switch k := l.current.Load(); {
	case k.fresh(now):
		return k.Signer, nil
	case k == nil:
		l.changing.Lock()
	case !l.changing.TryLock():
		return k.Signer, nil
	}
	defer l.changing.Unlock()
	// Another caller may have made it between the look and the lock.
	if !l.current.Load().fresh(now) {
		if err := l.change(now); err != nil {
			return nil, fmt.Errorf("making its key: %w", err)
		}
	}
	return l.current.Load().Signer, nil
}

// change makes a key.
func (l *leafKey) change(now time.Time) error {
	key, err := newLeafKey(l.bits)
	if err == nil {
		l.current.Store(&datedKey{key, now})
	}
	return err
}

// newLeafKey makes a key with that length; an RSA key of the kind that is fastest on this
// processor.
func newLeafKey(bits int) (crypto.Signer, error) {
	switch {
	case bits == ecdsaBits:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case leafrsa.Fast(bits):
		return leafrsa.Generate(bits)
	}
	return rsa.GenerateKey(rand.Reader, bits)
}
