// Package ticketkeys keeps the keys of session tickets: random ones, a new one each
// day, of which the last two are kept in a file. A restart loses no session, and
// replicas that use the same file resume the sessions of each other.
//
// It derives no ticket key from a key that lives longer: who steals a backup reads
// the sessions of two days at most. It reads and writes the file in Run only, never
// while a client waits.
package ticketkeys

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// keyUse is how long a key seals new tickets.
	keyUse = 24 * time.Hour
	// keptKeys is how many keys are kept: the one in use, and the one before it.
	keptKeys = 2
	// maxClockError is how far clocks of replicas may differ.
	maxClockError = 5 * time.Minute
)

// A ticket begins with the name of its key, and the nonce. The name begins with a mark of
// tlslift and the hour in which the key was made, so that a ticket of a replica with
// other keys is told from those of other programs, and from old ones.
const (
	mark      = "tlsl"
	idLen     = 8
	nameLen   = len(mark) + 4 + idLen
	nonceLen  = 12
	secretLen = 32
)

// Options say where the keys are kept.
type Options struct {
	// Path is the file; empty means that the keys end with the process.
	Path string
	// Shared says that other replicas use the file too: it is an error if it cannot be
	// used, and no key is used that is not in it. Of two replicas that write at the same
	// moment, one finds at the next look, within a minute, that its key is not there.
	Shared bool
	// Log gets what is wrong with the file; nil discards it.
	Log *slog.Logger
	// Now returns the time; nil means time.Now.
	Now func() time.Time
}

// Keys are the keys of session tickets. They are safe for concurrent use.
type Keys struct {
	path   string
	shared bool
	log    *slog.Logger
	now    func() time.Time

	current atomic.Pointer[[]key] // the newest first, never empty; does not change
	foreign chan struct{}         // a ticket of a replica with other keys was shown

	// What Run alone uses.
	seen      stamp // of the file as it was read or written last
	unsaved   bool
	complains complaints
}

// A key is one of a day.
type key struct {
	made   time.Time
	secret [secretLen]byte
	name   [nameLen]byte
	aead   cipher.AEAD
}

// newKey returns the key that follows from a secret.
func newKey(made time.Time, secret [secretLen]byte) (key, error) {
	k := key{made: made.UTC().Truncate(time.Second), secret: secret}
	derived, err := hkdf.Key(sha256.New, secret[:], nil, "tlslift session ticket", idLen+32)
	if err != nil {
		return key{}, fmt.Errorf("deriving a ticket key: %w", err)
	}
	defer clear(derived)
	hour := k.made.Unix() / 3600
	copy(k.name[:], mark)
	binary.BigEndian.PutUint32(k.name[len(mark):], uint32(hour)) //nolint:gosec // parsing accepts no other dates
	copy(k.name[len(mark)+4:], derived[:idLen])
	block, err := aes.NewCipher(derived[idLen:])
	if err != nil {
		return key{}, fmt.Errorf("making the cipher of a ticket key: %w", err)
	}
	k.aead, err = cipher.NewGCM(block)
	return k, err
}

func randomKey(now time.Time) (key, error) {
	var secret [secretLen]byte
	_, _ = rand.Read(secret[:]) // never returns an error
	return newKey(now, secret)
}

// sealing returns the index of the key that seals at a time: the newest one that is
// not of the future, else the oldest.
func sealing(keys []key, now time.Time) int {
	i := slices.IndexFunc(keys, func(k key) bool { return !k.made.After(now.Add(maxClockError)) })
	if i < 0 {
		return len(keys) - 1
	}
	return i
}

// isDue reports whether it is time for a new key.
func isDue(keys []key, now time.Time) bool {
	age := now.Sub(keys[sealing(keys, now)].made)
	return age >= keyUse || age < -maxClockError
}

// Seal returns a ticket that has plain, encrypted.
func (k *Keys) Seal(plain []byte) ([]byte, error) {
	keys := *k.current.Load()
	used := &keys[sealing(keys, k.now())]
	ticket := make([]byte, nameLen+nonceLen, nameLen+nonceLen+len(plain)+used.aead.Overhead())
	copy(ticket, used.name[:])
	nonce := ticket[nameLen:]
	_, _ = rand.Read(nonce) // never returns an error
	return used.aead.Seal(ticket, nonce, plain, used.name[:]), nil
}

// Open returns what a ticket has; nil if it is none of ours, or too old.
func (k *Keys) Open(ticket []byte) []byte {
	if len(ticket) < nameLen+nonceLen {
		return nil
	}
	name, nonce, sealed := ticket[:nameLen], ticket[nameLen:nameLen+nonceLen], ticket[nameLen+nonceLen:]
	for _, one := range *k.current.Load() {
		if string(one.name[:]) != string(name) {
			continue
		}
		plain, err := one.aead.Open(nil, nonce, sealed, name)
		if err != nil {
			return nil
		}
		return plain
	}
	if k.isOfReplica(name) {
		select {
		case k.foreign <- struct{}{}:
		default: // Run has one to look at
		}
	}
	return nil
}

// isOfReplica reports whether a name that we do not have is of a key that a replica
// may be using now.
func (k *Keys) isOfReplica(name []byte) bool {
	if string(name[:len(mark)]) != mark {
		return false
	}
	made := time.Unix(int64(binary.BigEndian.Uint32(name[len(mark):]))*3600, 0)
	return k.now().Sub(made).Abs() < keyUse+time.Hour
}

// inOrder returns the keys to keep: the newest first, and none twice.
func inOrder(keys []key) []key {
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(b.made.Compare(a.made), slices.Compare(a.name[:], b.name[:]))
	})
	return slices.CompactFunc(keys, func(a, b key) bool { return a.name == b.name })
}
