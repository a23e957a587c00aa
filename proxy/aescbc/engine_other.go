//go:build !amd64 || purego

package aescbc

import (
	"crypto/aes"
	"hash"
)

// An engine does not exist here.
type engine struct{}

func hasSHA1() bool { return false }

func (*engine) set(_, _ []byte, _ bool) bool { return false }

func (*engine) chain() (none [aes.BlockSize]byte) { return none }

func (*engine) setChain([aes.BlockSize]byte) {}

func (*engine) decrypt(_, _ []byte) {}

func (*engine) encrypt(_, _ []byte) {}

func (*engine) encryptAndHash(_, _ []byte, _ hash.Hash, _ []byte) (encrypted, added int) { return 0, 0 }

func (*engine) decryptAndHash(_, _ []byte, _ hash.Hash, _ []byte) (decrypted, added int) { return 0, 0 }
