package signin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// maxRight is how many passwords are remembered to be right.
const maxRight = 4096

// A mac is a keyed hash of a login, a password and the hash in the file.
type mac [sha256.Size]byte

// newMAC returns the mac of parts, whose lengths count.
func newMAC(key Secret, parts ...string) mac {
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	for _, p := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	return mac(h.Sum(nil))
}

// A memory has what was right under one file.
type memory struct {
	mu    sync.Mutex
	right map[mac]bool
	order []mac // a ring, once it is full
	next  int   // the oldest, once it is full
}

func newMemory() *memory { return &memory{right: map[mac]bool{}} }

func (r *memory) has(m mac) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.right[m]
}

// add remembers m, and forgets the oldest one if there are too many.
func (r *memory) add(m mac) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.right[m]:
		return
	case len(r.order) < maxRight:
		r.order = append(r.order, m)
	default:
		delete(r.right, r.order[r.next])
		r.order[r.next] = m
		r.next = (r.next + 1) % maxRight
	}
	r.right[m] = true
}
