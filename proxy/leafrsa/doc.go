// Package leafrsa is the RSA key of a leaf, with a private operation that is faster than
// the one of crypto/rsa: 6 times where the processor has AVX-512 IFMA, 1.6 times on others
// of 64 bits.
//
// It exists because the private operation is the largest part of what a lifted
// connection costs. It gets its speed from three things: a key of 2048 bits has three
// primes (RFC 8017 section 3), which no client can tell from two; the three powers are
// computed side by side; and the multiplication is for one fixed size, in assembly for
// AVX-512 IFMA and in Go for all others.
//
// It is for keys of leaves only, which are made here, live in memory for some days, and
// are never stored: a Key cannot be loaded, marshalled or printed. The key of the CA
// never comes here. Only the forms of TLS are there: signatures of PKCS #1 v1.5 and PSS,
// and the decryption of a premaster secret.
//
// # Timing
//
// All that depends on a secret takes the same instructions and the same addresses
// whatever the secret is: numbers have a fixed size, the exponent has a fixed number of
// digits, a power is picked by reading all of the table, and numbers are compared and
// subtracted under masks. Because of that the operation is not blinded. Where the key is
// made, math/big is used, whose time depends on its numbers; that happens once for a key.
// The first client of a key waits for it, and sees little more than how many numbers had
// to be tried before three were prime.
//
// # Faults
//
// One wrong bit in a computation with the primes apart would give the key away (Boneh,
// DeMillo, Lipton). Each result is raised to the public exponent and compared with what
// came in, modulo the public modulus and with nothing of the primes, before it leaves.
package leafrsa
