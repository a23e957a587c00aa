// Package aescbc encrypts and decrypts with AES in CBC mode, faster than crypto/cipher
// where the processor has instructions for AES, and for SHA-1.
//
// It exists because most of what a byte of a lifted connection costs is AES-CBC and SHA-1:
// crypto/cipher works block by block on amd64, and crypto/sha1 is another pass over the same
// bytes. Decrypter works on four blocks at once. To encrypt, CBC cannot do that, because each
// block needs the one before. SHA-1 is such a chain, too. So both are done at the same time:
// each instruction of the one fills the time in which the other one waits.
//
// It is for records of TLS only. CBC alone protects nothing from being changed: who uses
// it looks after the MAC, and after what the padding must not tell. GCM and all other
// modes are in the standard library.
//
// # What the assembly saves
//
// AES-128 and SHA-1 of a record of 16 KiB, in ns for each KiB, on an Intel processor with
// AVX-512 at about 4 GHz (go test -bench SHA1 ./proxy/aescbc):
//
//	                   crypto/cipher, crypto/sha1   with AVX and SHA   with AVX-512, too
//	encrypt and hash   1180                         520                470
//	decrypt and hash   950                          540                340
//
// To encrypt cannot take less time here: an instruction of AES takes 3 cycles, and 10 of them for
// each block are all that is in the chain. To decrypt costs next to nothing beside SHA-1;
// without AVX-512, it is a pass of its own, because together they gain nothing.
//
// # Timing
//
// What is done depends on the length of the input and of the key, and on nothing else:
// the instructions have no tables, and the keys of the rounds are made without tables, too.
// Where the processor lacks the instructions, and with GODEBUG=fips140=on, crypto/aes,
// crypto/cipher and crypto/sha1 do the work.
package aescbc
