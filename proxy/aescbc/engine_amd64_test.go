//go:build amd64 && !purego

package aescbc

import (
	"bytes"
	"crypto/sha1"
	"hash"
	"testing"
)

// narrow makes encrypters and decrypters those of a processor without AVX-512.
func narrow(all ...any) {
	for _, one := range all {
		switch one := one.(type) {
		case *Encrypter:
			one.fast.wide = false
		case *Decrypter:
			one.fast.wide = false
		}
	}
}

// What is only part of a group or of a chunk is in no memory afterwards that others get, and
// neither is the state of a hash.
func TestRoomsAreWiped(t *testing.T) { // not in parallel: nobody else may take the rooms
	key, iv := make([]byte, 16), make([]byte, 16)
	for kind, p := range kinds(t, key, iv) {
		for n := 0; n < 2048; n += 112 {
			text := bytes.Repeat([]byte{0xa5}, n)
			r := newRoom()
			r.release()
			p.CryptBlocks(text, text)
			p.decrypter.CryptBlocks(text, text)
			p.CryptAndHash(make([]byte, n), text, sha1.New(), text)
			p.CryptThenHash(text, sha1.New())
			p.decrypter.CryptAndHash(text, text, n, func() (hash.Hash, int) { return sha1.New(), n })
			if r := newRoom(); *r != (room{}) {
				t.Fatalf("%s: %d bytes: something is left: %x", kind, n, *r)
			}
		}
	}
}
