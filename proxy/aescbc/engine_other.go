//go:build !amd64 || purego

package aescbc

import "hash"

// An engine does not exist here.
type engine struct{}

func hasSHA1() bool { return false }

func (*engine) set(_, _ []byte) bool { return false }

func (*engine) invert() {}

func (*engine) decrypt(_, _ []byte) {}

func (*engine) encrypt(_, _ []byte) {}

func (*engine) encryptAndHash(_, _ []byte, _ hash.Hash, _ []byte) (encrypted, added int) { return 0, 0 }
