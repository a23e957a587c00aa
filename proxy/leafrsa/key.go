package leafrsa

import (
	"crypto"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"runtime"
	"sync"
)

const (
	// exponent is the public one.
	exponent     = 1<<exponentBits + 1
	exponentBits = 16
)

// primeBits are the lengths of the primes by the length of the key. A prime of a key of
// 1024 bits would be too short if there were three.
var primeBits = map[int][]int{2048: {683, 683, 682}, 1024: {512, 512}}

// A Key is the private key of a leaf. It is safe for concurrent use. It implements
// crypto.Signer and crypto.Decrypter. It lives in memory only.
type Key struct {
	core       core
	public     rsa.PublicKey
	workspaces sync.Pool // of *workspace
	radix
	residues
	publicModulus
}

// residues are what is known of each prime. A key of two primes has the first one twice,
// the second time with a cofactor of zero.
type residues struct {
	primes   triple
	factors  [3]uint64   // -1/prime modulo 2^bits
	parts    [3]triple   // 2^(bits·triple·(2+i)): they bring part i of a number into Montgomery's form
	one      triple      // in Montgomery's form
	digits   [][3]uint64 // of the private exponents, the highest first
	inverses triple      // of the cofactors
	// cofactors are the products of the other primes.
	cofactors [3]wide
}

// publicModulus is what is known of the public modulus.
type publicModulus struct {
	modulus wide
	factor  uint64 // -1/modulus modulo 2^bits
	square  wide   // 2^(2·bits·wide), which brings a number into Montgomery's form
}

// Fast reports whether a Key of some bits is faster than one of crypto/rsa on this
// processor, and may be used: with GODEBUG=fips140=on, keys are those of Go's FIPS 140 module.
func Fast(bits int) bool {
	if fips140.Enabled() {
		return false
	}
	if fastCore() != nil {
		return true
	}
	// What crypto/rsa does with keys of 1024 bits is as fast as a portable. Processors of
	// 32 bits, and those of 64 bits on which nobody has measured, stay with it too.
	return bits == 2048 && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64")
}

// Generate makes a key of 2048 or 1024 bits.
func Generate(bits int) (*Key, error) {
	lengths, known := primeBits[bits]
	if !known {
		return nil, fmt.Errorf("an RSA key of a leaf cannot have %d bits, only 2048 or 1024", bits)
	}
	for {
		primes, err := newPrimes(lengths)
		if err != nil {
			return nil, fmt.Errorf("making the primes of an RSA key: %w", err)
		}
		if product(primes).BitLen() != bits {
			continue
		}
		k := newKey(primes, bestCore())
		if err := k.try(); err != nil {
			return nil, err
		}
		return k, nil
	}
}

// bestCore returns the fastest core that this processor has.
func bestCore() core {
	if c := fastCore(); c != nil {
		return c
	}
	return portable{}
}

// newPrimes returns different primes that go with the public exponent.
func newPrimes(lengths []int) ([]*big.Int, error) {
	var all []*big.Int
	for len(all) < len(lengths) {
		p, err := rand.Prime(rand.Reader, lengths[len(all)])
		if err != nil {
			return nil, err
		}
		isNew := true
		for _, other := range all {
			isNew = isNew && p.Cmp(other) != 0
		}
		// The exponent is prime itself.
		if minusOne := new(big.Int).Sub(p, big.NewInt(1)); isNew && minusOne.Mod(minusOne, big.NewInt(exponent)).Sign() != 0 {
			all = append(all, p)
		}
	}
	return all, nil
}

func product(factors []*big.Int) *big.Int {
	n := big.NewInt(1)
	for _, f := range factors {
		n.Mul(n, f)
	}
	return n
}

// newKey returns the key of two or three primes of at most 683 bits.
func newKey(primes []*big.Int, c core) *Key {
	n := product(primes)
	k := &Key{core: c, radix: c.radix(), public: rsa.PublicKey{N: n, E: exponent}}
	longest := 0
	for _, p := range primes {
		longest = max(longest, p.BitLen())
	}
	k.digits = make([][3]uint64, (longest+digitBits-1)/digitBits)
	for i := range k.primes {
		k.setPrime(i, primes[i%len(primes)], n)
		if i >= len(primes) {
			k.cofactors[i] = wide{}
		}
	}
	k.limbsOf(k.modulus[:], n)
	k.factor = k.negativeInverse(n)
	k.limbsOf(k.square[:], power2(2*k.bits*k.wide, n))
	return k
}

// setPrime computes what is known of a prime of n.
func (k *Key) setPrime(i int, p, n *big.Int) {
	k.limbsOf(k.primes[i][:], p)
	k.factors[i] = k.negativeInverse(p)
	for part := range k.parts {
		k.limbsOf(k.parts[part][i][:], power2((2+part)*k.bits*k.triple, p))
	}
	k.limbsOf(k.one[i][:], power2(k.bits*k.triple, p))
	minusOne := new(big.Int).Sub(p, big.NewInt(1))
	private := new(big.Int).ModInverse(big.NewInt(exponent), minusOne)
	for d := range k.digits {
		var digit uint64
		for b := range digitBits {
			digit |= uint64(private.Bit((len(k.digits)-1-d)*digitBits+b)) << b
		}
		k.digits[d][i] = digit
	}
	cofactor := new(big.Int).Div(n, p)
	k.limbsOf(k.cofactors[i][:], cofactor)
	k.limbsOf(k.inverses[i][:], cofactor.ModInverse(cofactor, p))
}

// negativeInverse returns -1/m modulo 2^bits.
func (r radix) negativeInverse(m *big.Int) uint64 {
	modulus := new(big.Int).Lsh(big.NewInt(1), uint(r.bits))
	inverse := new(big.Int).ModInverse(m, modulus)
	return modulus.Sub(modulus, inverse).Uint64()
}

// power2 returns 2^n modulo m.
func power2(n int, m *big.Int) *big.Int {
	p := new(big.Int).Lsh(big.NewInt(1), uint(n))
	return p.Mod(p, m)
}

// try computes with a new key once.
func (k *Key) try() error {
	input := make([]byte, k.public.Size())
	_, _ = rand.Read(input[1:]) // never returns an error
	_, err := k.private(input)
	return err
}

// Public returns the public key, an *rsa.PublicKey, which must not be changed.
func (k *Key) Public() crypto.PublicKey { return &k.public }

// Sign signs a digest, as crypto/rsa does: with PSS if opts are *rsa.PSSOptions, whose
// salt has to be as long as the hash, else by PKCS #1 v1.5. It does not use random.
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	hash := opts.HashFunc()
	if _, known := digestInfo[hash]; !known || len(digest) != hash.Size() {
		return nil, errors.New("signing with RSA: the hash is not one of TLS, or the digest is not one of the hash")
	}
	encode := encodePKCS1
	if pss, is := opts.(*rsa.PSSOptions); is {
		if pss.SaltLength != rsa.PSSSaltLengthEqualsHash && pss.SaltLength != hash.Size() {
			return nil, errors.New("signing with RSA: the salt of PSS has to be as long as the hash")
		}
		encode = encodePSS
	}
	message, err := encode(k.public.N.BitLen(), hash, digest)
	if err != nil {
		return nil, fmt.Errorf("signing with RSA: %w", err)
	}
	return k.private(message)
}

// sessionKey says how long a session key is.
//
//lint:ignore SA1019 RFC 5246 section 7.4.7.1
type sessionKey = rsa.PKCS1v15DecryptOptions //nolint:staticcheck // old clients have nothing else

// Decrypt returns the session key of a ciphertext; opts are *rsa.PKCS1v15DecryptOptions
// with its length. What decrypts to anything else gives a random one, in the same time.
// An error says nothing but what anybody can see of the ciphertext, or that the machine
// has a fault. It does not use random.
func (k *Key) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	o, is := opts.(*sessionKey)
	size := k.public.Size()
	if !is || o.SessionKeyLen <= 0 || o.SessionKeyLen > size-minPadding {
		return nil, errors.New("decrypting with RSA: the length of the session key is missing or too large")
	}
	if len(ciphertext) > size {
		return nil, errRange
	}
	secret := make([]byte, o.SessionKeyLen)
	_, _ = rand.Read(secret) // never returns an error
	input := make([]byte, size)
	copy(input[size-len(ciphertext):], ciphertext)
	if err := k.withPower(input, func(message []byte) { copySessionKey(secret, message) }); err != nil {
		return nil, err
	}
	return secret, nil
}

// String names the kind of key and nothing of it.
func (k *Key) String() string { return fmt.Sprintf("RSA key of %d bits", k.public.N.BitLen()) }

// Format prints String whatever the verb, so that no %+v or %#v prints the key.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue does for slog what Format does for fmt.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
