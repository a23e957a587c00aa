package aescbc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"testing"
)

// A reference is crypto/cipher.
type reference struct{ encrypter, decrypter cipher.BlockMode }

func newReference(t testing.TB, key, iv []byte) reference {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return reference{cipher.NewCBCEncrypter(block, iv), cipher.NewCBCDecrypter(block, iv)}
}

// A pair is what is tested.
type pair struct {
	*Encrypter
	decrypter *Decrypter
}

func newPair(t testing.TB, key, iv []byte) pair {
	t.Helper()
	e, err := NewEncrypter(key, iv)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecrypter(key, iv)
	if err != nil {
		t.Fatal(err)
	}
	return pair{e, d}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// unaligned returns a copy that begins somewhere, between bytes that must stay as they are.
func unaligned(r *rand.Rand, b []byte) (inside, all []byte) {
	before := r.IntN(64)
	all = bytes.Repeat([]byte{0xa5}, before+len(b)+64)
	inside = all[before : before+len(b) : before+len(b)]
	copy(inside, b)
	return inside, all
}

// checkAround checks that nothing beside a slice of unaligned was written.
func checkAround(t *testing.T, inside, all []byte) {
	t.Helper()
	before := cap(all) - 64 - len(inside)
	for _, b := range [][]byte{all[:before], all[before+len(inside) : cap(all)]} {
		if len(bytes.Trim(b, "\xa5")) > 0 {
			t.Fatal("bytes beside the output were changed")
		}
	}
}

// lengths are those of inputs: all small ones, and some large ones.
func lengths(r *rand.Rand) []int {
	var all []int
	for n := range 3 * 64 / aes.BlockSize * 4 {
		all = append(all, n*aes.BlockSize)
	}
	for range 40 {
		all = append(all, r.IntN(1100)*aes.BlockSize)
	}
	return all
}

// kinds are what this processor uses, and what ones without some of the instructions do.
func kinds(t testing.TB, key, iv []byte) map[string]pair {
	t.Helper()
	slow, noSHA := newReference(t, key, iv), newPair(t, key, iv)
	noSHA.Encrypter = &Encrypter{slow: slow.encrypter}
	narrow(noSHA.decrypter)
	noAVX512 := newPair(t, key, iv)
	narrow(noAVX512.Encrypter, noAVX512.decrypter)
	slow = newReference(t, key, iv)
	return map[string]pair{
		"fast": newPair(t, key, iv), "without AVX-512": noAVX512, "without SHA-1": noSHA,
		"slow": {&Encrypter{slow: slow.encrypter}, &Decrypter{slow: slow.decrypter}},
	}
}

// It is crypto/cipher, for all lengths, at any address, in place or not, call after call.
func TestLikeCipher(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{16, 24, 32} {
		key, iv := randomBytes(r, size), randomBytes(r, aes.BlockSize)
		for name, p := range kinds(t, key, iv) {
			want := newReference(t, key, iv)
			for _, n := range lengths(r) {
				plain := randomBytes(r, n)
				sealed, opened := make([]byte, n), make([]byte, n)
				want.encrypter.CryptBlocks(sealed, plain)
				want.decrypter.CryptBlocks(opened, plain)
				inPlace := r.IntN(2) == 0
				for what, m := range map[string]struct {
					cipher.BlockMode
					want []byte
				}{"encrypted": {p, sealed}, "decrypted": {p.decrypter, opened}} {
					src, all := unaligned(r, plain)
					dst := src
					if !inPlace {
						dst, all = unaligned(r, make([]byte, n))
					}
					if m.CryptBlocks(dst, src); !bytes.Equal(dst, m.want) {
						t.Fatalf("%s: %d bytes, in place %v: %s otherwise", name, n, inPlace, what)
					}
					checkAround(t, dst, all)
				}
			}
		}
	}
}

// hashesFor returns the hashes that are tried with a key of so many bytes: those that are no SHA-1
// with one length only, as they have no code in common with AES.
func hashesFor(size int) map[string]func() hash.Hash {
	if size == 16 {
		return hashes
	}
	return map[string]func() hash.Hash{"SHA-1": sha1.New}
}

var hashes = map[string]func() hash.Hash{
	"MD5": md5.New, "SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-384": sha512.New384,
	"opaque": func() hash.Hash { return opaque{sha1.New()} },
}

// An opaque hash has no state to take out.
type opaque struct{ hash.Hash }

// What is encrypted and what is hashed may have any length and begin anywhere, also in the
// middle of a block of the hash.
func TestCryptAndHash(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{16, 24, 32} {
		key, iv := randomBytes(r, size), randomBytes(r, aes.BlockSize)
		for name, newHash := range hashesFor(size) {
			for kind, p := range kinds(t, key, iv) {
				want, h, like := newReference(t, key, iv), newHash(), newHash()
				before := []byte("a key's block")
				for _, n := range lengths(r) {
					hashed := randomBytes(r, max(n, 1)+r.IntN(200))
					plain := hashed[:n]
					if r.IntN(2) == 0 {
						hashed, plain = randomBytes(r, r.IntN(20000)), randomBytes(r, n)
					}
					sealed := make([]byte, n)
					want.encrypter.CryptBlocks(sealed, plain)
					before = before[:r.IntN(len(before)+1)]
					h.Write(before)
					like.Write(before)
					like.Write(hashed)
					dst, all := unaligned(r, make([]byte, n))
					p.CryptAndHash(dst, plain, h, hashed)
					checkAround(t, dst, all)
					if !bytes.Equal(dst, sealed) || !bytes.Equal(h.Sum(nil), like.Sum(nil)) {
						t.Fatalf("%s, %s: %d bytes, and %d to hash: another result", kind, name, n, len(hashed))
					}
					before = append(before, hashed[:min(len(hashed), 70)]...)
				}
			}
		}
	}
}

// What is encrypted and then hashed is the same, wherever a block of the hash has begun.
func TestCryptThenHash(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	for _, size := range []int{16, 24, 32} {
		key, iv := randomBytes(r, size), randomBytes(r, aes.BlockSize)
		for name, newHash := range hashesFor(size) {
			for kind, p := range kinds(t, key, iv) {
				want, h, like := newReference(t, key, iv), newHash(), newHash()
				for _, n := range lengths(r) {
					plain, begun := randomBytes(r, n), randomBytes(r, r.IntN(70))
					sealed := make([]byte, n)
					want.encrypter.CryptBlocks(sealed, plain)
					h.Write(begun)
					like.Write(begun)
					like.Write(sealed)
					p.CryptThenHash(plain, h)
					if !bytes.Equal(plain, sealed) || !bytes.Equal(h.Sum(nil), like.Sum(nil)) {
						t.Fatalf("%s, %s: %d bytes: another result", kind, name, n)
					}
				}
			}
		}
	}
}

// What is decrypted and hashed is the same, in place or not, however much of it is hashed and
// whatever comes first. The last blocks are there when begin is called.
func TestDecryptAndHash(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 10))
	for _, size := range []int{16, 24, 32} {
		key, iv := randomBytes(r, size), randomBytes(r, aes.BlockSize)
		for name, newHash := range hashesFor(size) {
			for kind, p := range kinds(t, key, iv) {
				want, h, like := newReference(t, key, iv), newHash(), newHash()
				for _, n := range lengths(r) {
					sealed, begun := randomBytes(r, n), randomBytes(r, r.IntN(70))
					opened := make([]byte, n)
					want.decrypter.CryptBlocks(opened, sealed)
					from := r.IntN(n/aes.BlockSize+1) * aes.BlockSize
					hashed := r.IntN(n + 1)
					if r.IntN(2) == 0 {
						from = max(0, n-r.IntN(20)*aes.BlockSize)
						hashed = min(n, from+r.IntN(aes.BlockSize))
					}
					like.Write(begun)
					like.Write(opened[:hashed])
					src, all := unaligned(r, sealed)
					dst := src
					if r.IntN(2) == 0 {
						dst, all = unaligned(r, make([]byte, n))
					}
					p.decrypter.CryptAndHash(dst, src, from, func() (hash.Hash, int) {
						if !bytes.Equal(dst[from:], opened[from:]) {
							t.Fatalf("%s, %s: %d bytes, from %d: the end is not decrypted", kind, name, n, from)
						}
						h.Write(begun)
						return h, hashed
					})
					checkAround(t, dst, all)
					if !bytes.Equal(dst, opened) || !bytes.Equal(h.Sum(nil), like.Sum(nil)) {
						t.Fatalf("%s, %s: %d bytes, from %d, %d to hash: another result", kind, name, n, from, hashed)
					}
				}
			}
		}
	}
}

// Blocks that are skipped are in the chain.
func TestSkip(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(15, 16))
	for _, size := range []int{16, 24, 32} {
		key, iv := randomBytes(r, size), randomBytes(r, aes.BlockSize)
		for name, p := range kinds(t, key, iv) {
			want := newReference(t, key, iv)
			for n := range 10 {
				skipped, sealed := randomBytes(r, n*aes.BlockSize), randomBytes(r, r.IntN(20)*aes.BlockSize)
				opened := append(bytes.Clone(skipped), sealed...)
				want.decrypter.CryptBlocks(opened, opened)
				p.decrypter.Skip(skipped)
				if p.decrypter.CryptBlocks(sealed, sealed); !bytes.Equal(sealed, opened[len(skipped):]) {
					t.Fatalf("%s: after %d blocks: decrypted otherwise", name, n)
				}
			}
		}
	}
}

func mustPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s is taken", name)
		}
	}()
	f()
}

func TestLengthsAreChecked(t *testing.T) {
	t.Parallel()
	if _, err := NewEncrypter(make([]byte, 15), make([]byte, 16)); err == nil {
		t.Error("a key of 15 bytes is taken")
	}
	if _, err := NewDecrypter(make([]byte, 33), make([]byte, 16)); err == nil {
		t.Error("a key of 33 bytes is taken")
	}
	for name, p := range kinds(t, make([]byte, 16), make([]byte, 16)) {
		mustPanic(t, name, func() { p.decrypter.Skip(make([]byte, 15)) })
		mustPanic(t, name, func() {
			p.decrypter.CryptAndHash(make([]byte, 64), make([]byte, 64), 20, func() (hash.Hash, int) { return sha1.New(), 0 })
		})
		for _, n := range []struct{ dst, src int }{{16, 15}, {640, 641}, {639, 640}, {0, 16}} {
			dst, src := make([]byte, n.dst), make([]byte, n.src)
			mustPanic(t, name, func() { p.CryptBlocks(dst, src) })
			mustPanic(t, name, func() { p.decrypter.CryptBlocks(dst, src) })
			mustPanic(t, name, func() { p.CryptAndHash(dst, src, sha1.New(), src) })
			mustPanic(t, name, func() { p.decrypter.CryptAndHash(dst, src, 0, func() (hash.Hash, int) { return sha1.New(), 0 }) })
		}
	}
}

func FuzzLikeCipher(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), []byte("some text"), uint16(1000), uint16(13), uint16(700), false)
	f.Add([]byte("0123456789abcdef0123456789abcdef"), []byte{}, uint16(16384), uint16(64), uint16(16000), true)
	f.Fuzz(func(t *testing.T, key, text []byte, length, begun, part uint16, isLong bool) {
		key = append(key, make([]byte, 32)...)[:16]
		if isLong {
			key = append(key, key...)
			binary.BigEndian.PutUint16(key, length)
		}
		iv := append([]byte{byte(begun)}, make([]byte, 15)...)
		plain := bytes.Repeat(append(text, byte(length)), int(length)/(len(text)+1)+1)[:length]
		whole := plain[:len(plain)/aes.BlockSize*aes.BlockSize]
		for kind, p := range kinds(t, key, iv) {
			compare(t, kind, p, newReference(t, key, iv), plain, whole, int(begun), int(part))
		}
	})
}

// compare compares a pair with a reference. The hash has had begun bytes before; a part of what
// is decrypted is hashed.
func compare(t *testing.T, kind string, p pair, want reference, plain, whole []byte, begun, part int) {
	t.Helper()
	h, like := sha1.New(), sha1.New()
	h.Write(make([]byte, begun))
	like.Write(make([]byte, begun))
	like.Write(plain)
	sealed, dst := make([]byte, len(whole)), make([]byte, len(whole))
	want.encrypter.CryptBlocks(sealed, whole)
	p.CryptAndHash(dst, whole, h, plain)
	if !bytes.Equal(dst, sealed) || !bytes.Equal(h.Sum(nil), like.Sum(nil)) {
		t.Fatalf("%s: encrypted or hashed otherwise", kind)
	}
	part = min(part, len(whole))
	like.Write(whole[:part])
	p.decrypter.CryptAndHash(dst, dst, part/aes.BlockSize*aes.BlockSize, func() (hash.Hash, int) { return h, part })
	if !bytes.Equal(dst, whole) || !bytes.Equal(h.Sum(nil), like.Sum(nil)) {
		t.Fatalf("%s: decrypted or hashed otherwise", kind)
	}
	want.encrypter.CryptBlocks(sealed, dst)
	like.Write(sealed)
	if p.CryptThenHash(dst, h); !bytes.Equal(dst, sealed) || !bytes.Equal(h.Sum(nil), like.Sum(nil)) {
		t.Fatalf("%s: encrypted and then hashed otherwise", kind)
	}
}
