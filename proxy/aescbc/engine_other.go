//go:build !amd64 || purego

package aescbc

import (
	"crypto/aes"
	"hash"
)

// An engine does not exist here.
type engine struct{ hasSHA1 bool }

func newEngine([]byte) *engine { return nil }

func (*engine) invert() {}

func (*engine) decrypt(_, _ []byte, _ *[aes.BlockSize]byte) int { return 0 }

func (*engine) encryptAndHash(_, _ []byte, _ *[aes.BlockSize]byte, _ hash.Hash, _ []byte) (encrypted, added int) {
	return 0, 0
}
