package legacytls

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"testing"
)

// The MAC in constant time is the MAC, for all lengths of data and padding.
func TestConstantTimeMAC(t *testing.T) {
	t.Parallel()
	for name, newHash := range map[string]func() hash.Hash{"SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-384": sha512.New384} {
		key := []byte("a key of some twenty")
		m := newRecordMAC(newMACHash(newHash), key)
		plain := make([]byte, 900)
		if _, err := rand.Read(plain); err != nil {
			t.Fatal(err)
		}
		for total := m.size + 1; total < len(plain); total += 13 {
			for padding := 1; padding <= min(maxPadding, total-m.size); padding++ {
				n := total - m.size - padding
				var header, want [macHeaderLen]byte
				copy(header[:], "\x00\x00\x00\x00\x00\x00\x00\x2a\x17\x03\x01")
				want = header
				want[11], want[12] = byte(n>>8), byte(n)
				w := m.work()
				got := w.constantTime(&header, plain[:total-m.size-1], n, max(0, total-m.size-maxPadding))
				h := hmac.New(newHash, key)
				h.Write(want[:])
				h.Write(plain[:n])
				if !hmac.Equal(got, h.Sum(nil)) {
					t.Fatalf("%s: %d bytes, padding %d: wrong", name, total, padding)
				}
				w.release()
				if at := macAt(new(window), plain[:total], n, m.size); !bytes.Equal(at, plain[n:n+m.size]) {
					t.Fatalf("%s: %d bytes, padding %d: the MAC is taken from another place", name, total, padding)
				}
			}
		}
	}
}

// Every wrong byte of padding counts, and so does a padding that is too long.
func TestPadding(t *testing.T) {
	t.Parallel()
	for n := 1; n <= maxPadding; n++ {
		plain := bytes.Repeat([]byte{0xaa}, 20)
		plain = append(plain, bytes.Repeat([]byte{byte(n - 1)}, n)...)
		if got, good := paddingLen(plain, 20); got != n || good != 1 {
			t.Fatalf("padding of %d: got %d, %d", n, got, good)
		}
		if _, good := paddingLen(plain, 21); good != 0 {
			t.Fatalf("padding of %d leaves no room for the MAC, and is good", n)
		}
		for i := range n {
			plain[20+i] ^= 1
			if got, good := paddingLen(plain, 20); good == 1 && got == n {
				t.Fatalf("padding of %d with a wrong byte at %d is good", n, i)
			}
			plain[20+i] ^= 1
		}
	}
}
