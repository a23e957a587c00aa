package leafrsa

import (
	"bytes"
	"crypto"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A pair is a key, and the same as crypto/rsa has it.
type pair struct {
	*Key
	std *rsa.PrivateKey
}

var pairs struct {
	sync.Mutex
	primes map[int][]*big.Int
}

// newPair returns a key of some bits, with the same primes each time.
func newPair(t testing.TB, bits int, c core) pair {
	t.Helper()
	pairs.Lock()
	defer pairs.Unlock()
	primes := pairs.primes[bits]
	for primes == nil || product(primes).BitLen() != bits {
		var err error
		if primes, err = newPrimes(primeBits[bits]); err != nil {
			t.Fatal(err)
		}
	}
	if pairs.primes == nil {
		pairs.primes = map[int][]*big.Int{}
	}
	pairs.primes[bits] = primes
	phi := big.NewInt(1)
	for _, p := range primes {
		phi.Mul(phi, new(big.Int).Sub(p, big.NewInt(1)))
	}
	k := newKey(primes, c)
	std := &rsa.PrivateKey{PublicKey: k.public, Primes: primes, D: new(big.Int).ModInverse(big.NewInt(exponent), phi)}
	std.Precompute()
	return pair{k, std}
}

// eachPair runs a test for keys of both lengths on each core.
func eachPair(t *testing.T, run func(t *testing.T, p pair)) {
	t.Helper()
	for name, c := range cores() {
		for bits := range primeBits {
			p := newPair(t, bits, c)
			t.Run(fmt.Sprint(name, "/", bits), func(t *testing.T) {
				t.Parallel()
				run(t, p)
			})
		}
	}
}

func (p pair) raw(input *big.Int) []byte { return input.FillBytes(make([]byte, p.std.Size())) }

// encrypt returns the ciphertext of a message that is padded already.
func (p pair) encrypt(message []byte) []byte {
	m := new(big.Int).SetBytes(message)
	return p.raw(m.Exp(m, big.NewInt(exponent), p.std.N))
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	for bits, lengths := range primeBits {
		k, err := Generate(bits)
		if err != nil {
			t.Fatal(err)
		}
		public, is := k.Public().(*rsa.PublicKey)
		if !is || public.N.BitLen() != bits || public.E != 65537 || public.Size() != bits/8 {
			t.Errorf("the public key is %v", k.Public())
		}
		var primes []*big.Int
		for i := range lengths {
			p := k.toBig(k.primes[i][:])
			if p.BitLen() != lengths[i] || !p.ProbablyPrime(20) {
				t.Errorf("prime %d of a key of %d bits is %x", i, bits, p)
			}
			primes = append(primes, p)
		}
		if product(primes).Cmp(public.N) != 0 {
			t.Error("the product of the primes is another modulus")
		}
		other, err := Generate(bits)
		if err != nil || other.public.N.Cmp(public.N) == 0 {
			t.Errorf("the next key is the same, or none: %v", err)
		}
	}
	for _, bits := range []int{0, 512, 2047, 3072, 4096} {
		if k, err := Generate(bits); err == nil {
			t.Errorf("made a key of %d bits: %s", bits, k)
		}
	}
}

// A processor for which no core is made has the portable one for keys of 2048 bits, if it
// multiplies 64 bits at once.
func TestFast(t *testing.T) {
	t.Parallel()
	is64 := map[string]bool{"amd64": true, "arm64": true}[runtime.GOARCH]
	if got, want := Fast(2048), (is64 || fastCore() != nil) && !fips140.Enabled(); got != want {
		t.Errorf("Fast(2048) is %t on %s", got, runtime.GOARCH)
	}
	if got, want := Fast(1024), fastCore() != nil && !fips140.Enabled(); got != want {
		t.Errorf("Fast(1024) is %t on %s", got, runtime.GOARCH)
	}
}

// With FIPS 140, all keys are those of Go's module.
func TestFastWithFIPS140(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"on", "off"} {
		cmd := exec.CommandContext(t.Context(), program, "-test.run", "^TestFast$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode)
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestFast ")) {
			t.Errorf("FIPS 140 is %s: %v\n%s", mode, err, out)
		}
	}
}

func TestSignaturesAreThoseOfCryptoRSA(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, p pair) {
		for hash := range digestInfo {
			digest := make([]byte, hash.Size())
			_, _ = rand.Read(digest)
			got, err := p.Sign(nil, digest, hash)
			if err != nil {
				t.Fatal(err)
			}
			want, err := rsa.SignPKCS1v15(nil, p.std, hash, digest)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v: the signature is %x, want %x, %v", hash, got, want, err)
			}
		}
	})
}

func TestPSS(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, p pair) {
		for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			digest := make([]byte, hash.Size())
			_, _ = rand.Read(digest)
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
			var last []byte
			for range 8 {
				got, err := p.Sign(nil, digest, options)
				if hash == crypto.SHA512 && p.std.Size() == 128 {
					if err == nil {
						t.Fatal("signed what does not fit")
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := rsa.VerifyPSS(&p.public, hash, digest, got, options); err != nil || bytes.Equal(got, last) {
					t.Errorf("%v: %x is not a signature with a new salt: %v", hash, got, err)
				}
				last = got
			}
		}
	})
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, 1024, portable{})
	for name, test := range map[string]struct {
		digest  int
		options crypto.SignerOpts
	}{
		"digest of another hash": {32, crypto.SHA1},
		"no digest":              {0, crypto.SHA256},
		"no hash":                {0, crypto.Hash(0)},
		"no hash but a digest":   {32, crypto.Hash(0)},
		"hash that is no part of TLS": {
			16, crypto.MD5},
		"salt of another length": {32, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: crypto.SHA256}},
		"salt of 20":             {32, &rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256}},
		"PSS with MD5SHA1":       {36, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.MD5SHA1}},
		"PSS without a hash":     {0, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}},
	} {
		if got, err := p.Sign(nil, make([]byte, test.digest), test.options); err == nil {
			t.Errorf("%s: the signature is %x", name, got)
		}
	}
}

// What is not below the modulus, or has another length, is no message.
func TestEdgeValues(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, p pair) {
		n, one := p.std.N, big.NewInt(1)
		good := []*big.Int{new(big.Int), one, big.NewInt(2), new(big.Int).Sub(n, one), new(big.Int).Rsh(n, 1), new(big.Int).Rsh(n, 300)}
		for _, prime := range p.std.Primes {
			cofactor := new(big.Int).Div(n, prime)
			good = append(good, prime, cofactor, new(big.Int).Sub(n, prime), new(big.Int).Sub(n, cofactor),
				new(big.Int).Add(prime, one), new(big.Int).Sub(prime, one), new(big.Int).Mul(cofactor, big.NewInt(3)))
		}
		for i := 0; i < 8*p.std.Size(); i += 26 { // half a limb
			good = append(good, new(big.Int).Lsh(one, uint(i)), new(big.Int).Sub(new(big.Int).Lsh(one, uint(i)), one))
		}
		for _, input := range good {
			if input.Cmp(n) >= 0 {
				continue
			}
			got, err := p.private(p.raw(input))
			if err != nil || !bytes.Equal(p.encrypt(got), p.raw(input)) {
				t.Fatalf("%x gives %x, %v", input, got, err)
			}
		}
		for i, input := range []*big.Int{new(big.Int), one, new(big.Int).Sub(n, one)} {
			if got, _ := p.private(p.raw(input)); !bytes.Equal(got, p.raw(input)) {
				t.Errorf("number %d, which is its own power, gives %x", i, got)
			}
		}
		most := new(big.Int).Lsh(one, uint(8*p.std.Size()))
		for _, input := range []*big.Int{n, new(big.Int).Add(n, one), most.Sub(most, one)} {
			if got, err := p.private(p.raw(input)); err != errRange {
				t.Errorf("%x, which is not below the modulus, gives %x, %v", input, got, err)
			}
		}
		if got, err := p.private(make([]byte, p.std.Size()-1)); err != errRange {
			t.Errorf("a short message gives %x, %v", got, err)
		}
	})
}

// inputs returns how many inputs the differential test has.
func inputs(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("TLSLIFT_TEST_RSA_INPUTS"))
	if err != nil {
		return 300
	}
	return n
}

// TestDifferential signs digests, which crypto/rsa verifies, and decrypts what crypto/rsa
// has encrypted. Both lengths of a key, with a new one for each ten thousand inputs.
func TestDifferential(t *testing.T) {
	t.Parallel()
	for rest := inputs(t); rest > 0; rest -= 10000 {
		for _, bits := range []int{2048, 1024} {
			k, err := Generate(bits)
			if err != nil {
				t.Fatal(err)
			}
			for i := range min(rest, 10000) / 2 {
				differ(t, k, i)
			}
		}
	}
}

// differ compares one operation with crypto/rsa.
func differ(t *testing.T, k *Key, i int) {
	t.Helper()
	content := make([]byte, 48)
	_, _ = rand.Read(content)
	if i%2 == 0 {
		hash := []crypto.Hash{crypto.MD5SHA1, crypto.SHA1, crypto.SHA256, crypto.SHA384}[i/2%4]
		signature, err := k.Sign(nil, content[:hash.Size()], hash)
		if err == nil {
			err = rsa.VerifyPKCS1v15(&k.public, hash, content[:hash.Size()], signature)
		}
		if err != nil {
			t.Fatalf("key with the modulus %x, %v of %x: %v", k.public.N, hash, content, err)
		}
		return
	}
	//lint:ignore SA1019 RFC 5246 section 7.4.7.1
	ciphertext, err := rsa.EncryptPKCS1v15(rand.Reader, &k.public, content) //nolint:staticcheck // old clients do this
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Decrypt(nil, ciphertext, &sessionKey{SessionKeyLen: 48})
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("key with the modulus %x, ciphertext %x gives %x, %v", k.public.N, ciphertext, got, err)
	}
}

// paddings are messages, and whether their content is a session key of 48 bytes.
func paddings(size int) map[string]struct {
	message []byte
	good    bool
} {
	type row = struct {
		message []byte
		good    bool
	}
	change := func(at int, to byte) []byte {
		m := bytes.Repeat([]byte{7}, size)
		m[0], m[1], m[size-49] = 0, 2, 0
		if at >= 0 {
			m[at] = to
		}
		return m
	}
	return map[string]row{
		"good":                        {change(-1, 0), true},
		"zeros in the content":        {change(size-48, 0), true},
		"content ends in zero":        {change(size-1, 0), true},
		"first byte is not 0":         {change(0, 1), false},
		"type of a signature":         {change(1, 1), false},
		"type 0":                      {change(1, 0), false},
		"separator missing":           {change(size-49, 1), false},
		"content too long by one":     {change(size-50, 0), false},
		"zero in the first padding":   {change(2, 0), false},
		"seven bytes of padding":      {change(9, 0), false},
		"eight bytes, long content":   {change(10, 0), false},
		"all zeros":                   {make([]byte, size), false},
		"one":                         {append(make([]byte, size-1), 1), false},
		"nothing but 1 after the two": {append([]byte{0, 2}, bytes.Repeat([]byte{1}, size-2)...), false},
	}
}

func TestDecryptIsThatOfCryptoRSA(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, p pair) {
		for name, test := range paddings(p.std.Size()) {
			ciphertext := p.encrypt(test.message)
			untouched := bytes.Repeat([]byte{0xee}, 48)
			want := bytes.Clone(untouched)
			//lint:ignore SA1019 RFC 5246 section 7.4.7.1
			err := rsa.DecryptPKCS1v15SessionKey(nil, p.std, ciphertext, want) //nolint:staticcheck // old clients have nothing else
			if err != nil || bytes.Equal(want, untouched) == test.good {
				t.Fatalf("%s: crypto/rsa gives %x, %v", name, want, err)
			}
			got, err := p.Decrypt(nil, ciphertext, &sessionKey{SessionKeyLen: 48})
			again, err2 := p.Decrypt(nil, ciphertext, &sessionKey{SessionKeyLen: 48})
			switch {
			case err != nil || err2 != nil || len(got) != 48:
				t.Errorf("%s: gives %x, %v, %v", name, got, err, err2)
			case test.good && !bytes.Equal(got, want):
				t.Errorf("%s: gives %x, want %x", name, got, want)
			case !test.good && (bytes.Equal(got, again) || bytes.Equal(got, test.message[len(test.message)-48:])):
				t.Errorf("%s: gives %x, which is not random", name, got)
			}
		}
	})
}

func TestCiphertextWithoutLeadingZeros(t *testing.T) {
	t.Parallel()
	p := newPair(t, 1024, bestCore())
	for ciphertext := []byte(nil); ; {
		content := make([]byte, 48)
		_, _ = rand.Read(content)
		message := paddings(128)["good"].message
		copy(message[80:], content)
		if ciphertext = p.encrypt(message); ciphertext[0] != 0 {
			continue
		}
		got, err := p.Decrypt(nil, ciphertext[1:], &sessionKey{SessionKeyLen: 48})
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("gives %x, %v; want %x", got, err, content)
		}
		return
	}
}

func TestDecryptRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, 1024, bestCore())
	session := &sessionKey{SessionKeyLen: 48}
	for name, test := range map[string]struct {
		ciphertext []byte
		options    crypto.DecrypterOpts
	}{
		"no options":               {make([]byte, 128), nil},
		"any length":               {make([]byte, 128), &sessionKey{}},
		"OAEP":                     {make([]byte, 128), &rsa.OAEPOptions{Hash: crypto.SHA256}},
		"longer than fits":         {make([]byte, 128), &sessionKey{SessionKeyLen: 118}},
		"ciphertext too long":      {make([]byte, 129), session},
		"ciphertext is a modulus":  {p.raw(p.std.N), session},
		"ciphertext of 2^1024 - 1": {bytes.Repeat([]byte{255}, 128), session},
	} {
		if got, err := p.Decrypt(nil, test.ciphertext, test.options); err == nil {
			t.Errorf("%s: gives %x", name, got)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	k, err := Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 20 {
				differ(t, k, i)
			}
		})
	}
	all.Wait()
}

func TestWorkspaceIsWiped(t *testing.T) {
	t.Parallel()
	p := newPair(t, 2048, bestCore())
	var made []*workspace
	p.workspaces.New = func() any {
		made = append(made, new(workspace))
		return made[len(made)-1]
	}
	if _, err := p.private(p.raw(big.NewInt(12345))); err != nil {
		t.Fatal(err)
	}
	if _, err := p.private(p.raw(p.std.N)); err == nil {
		t.Fatal("the modulus is below itself")
	}
	for _, w := range made {
		if *w != (workspace{}) {
			t.Error("numbers are left in the workspace")
		}
	}
	if len(made) == 0 {
		t.Error("found no workspace: the test looks at the wrong thing")
	}
}

// What a ciphertext decrypts to, which has the premaster secret, is kept no longer than it
// takes to copy that.
func TestDecryptedMessageIsWiped(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, p pair) {
		message := paddings(p.std.Size())["good"].message
		var kept []byte
		err := p.withPower(p.encrypt(message), func(power []byte) {
			kept = power
			if !bytes.Equal(power, message) {
				t.Errorf("the message is %x", power)
			}
		})
		if err != nil || len(kept) != len(message) || !bytes.Equal(kept, make([]byte, len(message))) {
			t.Errorf("left is %x, %v", kept, err)
		}
	})
}

func TestKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	k := newPair(t, 1024, portable{}).Key
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("with a key", "key", k)
	asJSON, err := json.Marshal(struct{ Key crypto.Signer }{k})
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), fmt.Sprintf("%x %d %q", k, k, k),
		fmt.Sprintf("%+v", struct{ K crypto.Signer }{k}), log.String(), string(asJSON),
	} {
		if len(printed) > 200 || strings.Contains(printed, strconv.FormatUint(k.primes[0][1], 10)) {
			t.Errorf("printed: %.300s", printed)
		}
	}
}
