// Package aescbc encrypts and decrypts with AES in CBC mode, faster than crypto/cipher
// where the processor has instructions for AES, and for SHA-1.
//
// It exists because most of what a byte of a lifted connection costs is AES-CBC and SHA-1:
// crypto/cipher works block by block on amd64. Decrypter works on four blocks at once.
// To encrypt, CBC cannot do that, because each block needs the one before; so Encrypter
// computes SHA-1 of the same record while it waits, if the processor has both.
//
// It is for records of TLS only. CBC alone protects nothing from being changed: who uses
// it looks after the MAC, and after what the padding must not tell. GCM and all other
// modes are in the standard library.
//
// # Timing
//
// What is done depends on the length of the input and of the key, and on nothing else:
// the instructions have no tables, and the keys of the rounds are made without tables, too.
// Where the processor lacks the instructions, and with GODEBUG=fips140=on, crypto/aes,
// crypto/cipher and crypto/sha1 do the work.
package aescbc
