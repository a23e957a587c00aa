package aescbc

import (
	"crypto/aes"
	"crypto/cipher"
	"hash"
)

// A Decrypter decrypts in CBC mode. It implements cipher.BlockMode.
type Decrypter struct {
	slow cipher.BlockMode // nil unless the processor lacks the instructions
	fast engine
}

// NewDecrypter returns a decrypter for a key of AES.
func NewDecrypter(key, iv []byte) (*Decrypter, error) {
	d := &Decrypter{}
	if d.fast.set(key, iv, true) {
		return d, nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &Decrypter{slow: cipher.NewCBCDecrypter(block, iv)}, nil
}

// BlockSize returns that of AES.
func (d *Decrypter) BlockSize() int { return aes.BlockSize }

// CryptBlocks decrypts whole blocks of src. Dst has to be src, or have no byte of it.
func (d *Decrypter) CryptBlocks(dst, src []byte) {
	checkLengths(dst, src)
	if d.slow != nil {
		d.slow.CryptBlocks(dst, src)
		return
	}
	d.fast.decrypt(dst, src)
}

// Skip goes on after whole blocks whose plaintext nobody needs. What is in them afterwards has
// no meaning.
func (d *Decrypter) Skip(blocks []byte) {
	checkLengths(blocks, blocks)
	switch {
	case len(blocks) == 0:
	case d.slow != nil:
		d.slow.CryptBlocks(blocks, blocks)
	default:
		d.fast.setChain(lastBlock(blocks))
	}
}

// CryptAndHash is CryptBlocks, and writes what it has decrypted to a hash. What is at from and
// after that comes first; then begin says which hash it is, and how many bytes of dst to
// write. With SHA-1, it may do both at once. From is a whole number of blocks.
func (d *Decrypter) CryptAndHash(dst, src []byte, from int, begin func() (h hash.Hash, n int)) {
	checkLengths(dst, src)
	checkLengths(src, src[:from])
	if d.slow != nil || from == 0 {
		d.CryptBlocks(dst, src)
		h, n := begin()
		h.Write(dst[:n])
		return
	}
	first, next := d.fast.chain(), lastBlock(src) // dst may be src
	d.fast.setChain(lastBlock(src[:from]))
	d.fast.decrypt(dst[from:], src[from:])
	h, n := begin()
	d.fast.setChain(first)
	decrypted, added := d.fast.decryptAndHash(dst, src[:from], h, dst[:n])
	d.fast.decrypt(dst[decrypted:], src[decrypted:from])
	h.Write(dst[added:n])
	d.fast.setChain(next)
}

// lastBlock returns the last block of b.
func lastBlock(b []byte) [aes.BlockSize]byte { return [aes.BlockSize]byte(b[len(b)-aes.BlockSize:]) }

// An Encrypter encrypts in CBC mode. It implements cipher.BlockMode.
type Encrypter struct {
	slow cipher.BlockMode // nil unless the processor lacks the instructions, or those for SHA-1
	fast engine
}

// NewEncrypter returns an encrypter for a key of AES.
func NewEncrypter(key, iv []byte) (*Encrypter, error) {
	e := &Encrypter{}
	if hasSHA1() && e.fast.set(key, iv, false) {
		return e, nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &Encrypter{slow: cipher.NewCBCEncrypter(block, iv)}, nil
}

// BlockSize returns that of AES.
func (e *Encrypter) BlockSize() int { return aes.BlockSize }

// CryptBlocks encrypts whole blocks of src. Dst has to be src, or have no byte of it.
func (e *Encrypter) CryptBlocks(dst, src []byte) {
	checkLengths(dst, src)
	if e.slow != nil {
		e.slow.CryptBlocks(dst, src)
		return
	}
	e.fast.encrypt(dst, src)
}

// CryptAndHash is CryptBlocks, and writes hashed to a hash. With SHA-1, it does both at
// once. Dst has to be apart from src and from hashed; src and hashed may be the same.
func (e *Encrypter) CryptAndHash(dst, src []byte, h hash.Hash, hashed []byte) {
	checkLengths(dst, src)
	if e.slow == nil {
		encrypted, added := e.fast.encryptAndHash(dst, src, h, hashed)
		dst, src, hashed = dst[encrypted:], src[encrypted:], hashed[added:]
	}
	h.Write(hashed)
	e.CryptBlocks(dst, src)
}

// lag is how far what is hashed is behind what is encrypted: a block of SHA-1 that ends one,
// and two chunks, so that no read waits for a write that has just been done.
const lag = 3 * 64

// CryptThenHash encrypts p in place, and writes the result to a hash. With SHA-1, it does
// both at once.
func (e *Encrypter) CryptThenHash(p []byte, h hash.Hash) {
	checkLengths(p, p)
	added := 0
	if e.slow == nil && len(p) > lag {
		e.CryptBlocks(p[:lag], p[:lag])
		var encrypted int
		encrypted, added = e.fast.encryptAndHash(p[lag:], p[lag:], h, p[:len(p)-lag])
		e.CryptBlocks(p[lag+encrypted:], p[lag+encrypted:])
	} else {
		e.CryptBlocks(p, p)
	}
	h.Write(p[added:])
}

func checkLengths(dst, src []byte) {
	if len(src)%aes.BlockSize != 0 || len(dst) < len(src) {
		panic("aescbc: the input has no whole blocks, or the output is too short")
	}
}
