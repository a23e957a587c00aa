package legacytls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"hash"
	mathrand "math/rand/v2"
	"slices"
	"testing"
)

// A sealer makes records with CBC from crypto/cipher and crypto/hmac alone.
type sealer struct {
	version uint16
	cipher.BlockMode
	mac hash.Hash
	seq uint64
}

// newSealer returns what seals records, and what opens them.
func newSealer(t testing.TB, p parameters) (*sealer, *protection) {
	t.Helper()
	s := suiteByID(p.suite)
	newHash := map[int]func() hash.Hash{sha1.Size: sha1.New, sha256.Size: sha256.New, sha512.Size384: sha512.New384}[s.macLen()]
	k := keys{bytes.Repeat([]byte{1}, s.macLen()), bytes.Repeat([]byte{2}, s.keyLen), bytes.Repeat([]byte{3}, s.ivLen)}
	if k.iv == nil {
		k.iv = make([]byte, aes.BlockSize)
	}
	opener, err := newProtection(p.version, s, k, true)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(k.key)
	if err != nil {
		t.Fatal(err)
	}
	return &sealer{p.version, cipher.NewCBCEncrypter(block, k.iv), hmac.New(newHash, k.mac), 0}, opener
}

// seal returns the payload of a record with so many bytes of padding, after a change of
// data, MAC and padding.
func (s *sealer) seal(data []byte, padding int, change func(plain []byte)) []byte {
	header := binary.BigEndian.AppendUint64(nil, s.seq)
	header = append(header, typeApplicationData, byte(s.version>>8), byte(s.version), byte(len(data)>>8), byte(len(data)))
	s.seq++
	s.mac.Reset()
	s.mac.Write(header)
	s.mac.Write(data)
	plain := s.mac.Sum(slices.Clone(data))
	plain = append(plain, bytes.Repeat([]byte{byte(padding - 1)}, padding)...)
	if change(plain); s.version >= tls.VersionTLS11 {
		plain = append(make([]byte, aes.BlockSize), plain...)
	}
	s.CryptBlocks(plain, plain)
	return plain
}

// A record with any length and padding is opened, in place or not, one after the other; one
// with a wrong byte in its data, its MAC or its padding is not.
func TestOpensAnyRecord(t *testing.T) {
	t.Parallel()
	r := mathrand.New(mathrand.NewPCG(11, 12))
	for _, p := range cbcProtections() {
		if p.suite == tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA {
			continue
		}
		s, opener := newSealer(t, p)
		size := opener.mac.size
		for i := range 600 {
			data := make([]byte, []int{r.IntN(100), r.IntN(2000), r.IntN(maxPlaintext + 1)}[i%3])
			for j := range data {
				data[j] = byte(r.Uint32())
			}
			padding := aes.BlockSize - (len(data)+size)%aes.BlockSize
			padding += r.IntN((maxPadding-padding)/aes.BlockSize+1) * aes.BlockSize
			payload := s.seal(data, padding, func([]byte) {})
			var into []byte
			if r.IntN(2) == 0 {
				into = make([]byte, len(payload))
			}
			got, err := opener.open(typeApplicationData, payload, into)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s: record %d of %d bytes, padding %d: %v", p.name, i, len(data), padding, err)
			}
		}
	}
}

// The byte is anywhere: also where data is hashed before the padding is looked at.
func TestOpensNoForgedRecord(t *testing.T) {
	t.Parallel()
	r := mathrand.New(mathrand.NewPCG(13, 14))
	for _, p := range cbcProtections() {
		if p.suite == tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA {
			continue
		}
		for _, n := range []int{0, 1, 300, 900, 5000, maxPlaintext} {
			s, opener := newSealer(t, p)
			size := opener.mac.size
			padding := aes.BlockSize - (n+size)%aes.BlockSize + 5*aes.BlockSize
			good := s.seal(make([]byte, n), padding, func([]byte) {})
			_, opener = newSealer(t, p)
			if _, err := opener.open(typeApplicationData, slices.Clone(good), nil); err != nil {
				t.Fatalf("%s: %d bytes: %v", p.name, n, err)
			}
			total := n + size + padding
			for i := range 120 {
				at := r.IntN(total)
				if i < 100 {
					at = max(0, total-1-i)
				}
				s, opener := newSealer(t, p)
				forged := s.seal(make([]byte, n), padding, func(plain []byte) { plain[at] ^= byte(1 + r.IntN(255)) })
				if data, err := opener.open(typeApplicationData, forged, nil); err == nil || data != nil {
					t.Fatalf("%s: %d bytes, byte %d of %d is wrong: it is opened", p.name, n, at, total)
				}
			}
		}
	}
}
