package legacytls

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"hash"
	"slices"
	"strings"
	"testing"
)

// A byHand is the other side of a protection with CBC, made of crypto/cipher and
// crypto/hmac alone.
type byHand struct {
	seq     uint64
	version uint16
	mac     hash.Hash
	mode    cipher.BlockMode
	macLast bool
	iv      int // bytes of it in each record
}

// newByHand returns what reads what a protection has sealed, or seals what it reads.
func newByHand(t *testing.T, p parameters, k keys, reads bool) *byHand {
	t.Helper()
	s := suiteByID(p.suite)
	block, err := s.block(k.key)
	if err != nil {
		t.Fatal(err)
	}
	b := &byHand{version: p.version, mac: hmac.New(s.mac.new, k.mac), mode: cipher.NewCBCEncrypter(block, k.iv)}
	if reads {
		b.mode = cipher.NewCBCDecrypter(block, k.iv)
	}
	if p.version > tls.VersionTLS10 {
		b.iv = block.BlockSize()
	}
	return b
}

// sum returns the MAC of the next record.
func (b *byHand) sum(data []byte) []byte {
	b.mac.Reset()
	header := binary.BigEndian.AppendUint64(nil, b.seq)
	header = append(header, typeApplicationData, byte(b.version>>8), byte(b.version), byte(len(data)>>8), byte(len(data)))
	b.mac.Write(header)
	b.mac.Write(data)
	b.seq++
	return b.mac.Sum(nil)
}

// seal returns the body of a record.
func (b *byHand) seal(data []byte) []byte {
	plain := append(make([]byte, b.iv), data...)
	if !b.macLast {
		plain = append(plain, b.sum(data)...)
	}
	n := b.mode.BlockSize() - len(plain)%b.mode.BlockSize()
	plain = append(plain, bytes.Repeat([]byte{byte(n - 1)}, n)...)
	b.mode.CryptBlocks(plain, plain)
	if b.macLast {
		plain = append(plain, b.sum(plain)...)
	}
	return plain
}

// open returns the data of a record's body.
func (b *byHand) open(t *testing.T, body []byte) []byte {
	t.Helper()
	size := b.mac.Size()
	if b.macLast {
		got := body[len(body)-size:]
		if body = body[:len(body)-size]; !hmac.Equal(got, b.sum(body)) {
			t.Fatal("the MAC of what is encrypted is wrong")
		}
		size = 0
	}
	b.mode.CryptBlocks(body, body)
	plain := body[b.iv:]
	n := int(plain[len(plain)-1]) + 1
	if !bytes.Equal(plain[len(plain)-n:], bytes.Repeat([]byte{byte(n - 1)}, n)) {
		t.Fatal("the padding is wrong")
	}
	plain = plain[:len(plain)-n]
	data, got := plain[:len(plain)-size], plain[len(plain)-size:]
	if !b.macLast && !hmac.Equal(got, b.sum(data)) {
		t.Fatal("the MAC is wrong")
	}
	return data
}

// handSuites are one suite with each cipher and hash that there is with CBC, at each version
// that has it: records are the same whatever the key exchange was.
func handSuites() []parameters {
	var all []parameters
	for _, s := range suites {
		for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
			_, name, _ := strings.Cut(s.name, "_WITH_")
			isNew := !slices.ContainsFunc(all, func(p parameters) bool { return p.name == name && p.version == v })
			if s.block != nil && (!s.tls12 || v == tls.VersionTLS12) && isNew {
				all = append(all, parameters{name, v, s.id})
			}
		}
	}
	return all
}

// handLengths are those of records: around each step of the blocks of hash and cipher, and
// of the largest size. The chain goes through all of them.
func handLengths() []int {
	var all []int
	for n := range 150 {
		all = append(all, n*37%1100)
	}
	return append(all, 0, 1, maxPlaintext, maxPlaintext-1, 5000, 15, 12345, maxPlaintext)
}

// Records of all lengths are what the standard library makes of them, in both directions.
func TestRecordsByHand(t *testing.T) {
	t.Parallel()
	for _, p := range handSuites() {
		t.Run(p.name+"/"+tls.VersionName(p.version), func(t *testing.T) {
			t.Parallel()
			s, random := suiteByID(p.suite), make([]byte, maxPlaintext)
			_, _ = rand.Read(random)
			k := keys{random[:s.macLen()], random[100 : 100+s.keyLen], random[200 : 200+s.ivLen]}
			for _, macLast := range []bool{false, true} {
				writes, err := newProtection(p.version, s, k, false)
				if err != nil {
					t.Fatal(err)
				}
				reads, err := newProtection(p.version, s, k, true)
				if err != nil {
					t.Fatal(err)
				}
				reader, writer := newByHand(t, p, k, true), newByHand(t, p, k, false)
				writes.macLast, reads.macLast, reader.macLast, writer.macLast = macLast, macLast, macLast, macLast
				for _, n := range handLengths() {
					record, err := writes.seal([]byte("before"), typeApplicationData, random[:n])
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(reader.open(t, record[len("before")+recordHeaderLen:]), random[:n]) {
						t.Fatalf("a record of %d bytes has others", n)
					}
					sealed := writer.seal(random[:n])
					var into []byte
					if n%2 > 0 { // not in place
						into = make([]byte, len(sealed)+n%3)
					}
					data, err := reads.open(typeApplicationData, sealed, into)
					if err != nil || !bytes.Equal(data, random[:n]) {
						t.Fatalf("a record of %d bytes is not opened: %v", n, err)
					}
				}
			}
		})
	}
}
