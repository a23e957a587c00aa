package legacytls

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"testing"
)

// constantTime computes the MAC of data[:n], which is at least so much.
func constantTime(w *macWork, header *[macHeaderLen]byte, data []byte, n, least int) []byte {
	first := w.fullBlocks(least)
	w.beginConstantTime(header, n, first)
	w.hash.Write(data[:w.dataOf(first)])
	return w.endConstantTime(header, data, n, first)
}

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
				got := constantTime(w, &header, plain[:total-m.size-1], n, max(0, total-m.size-maxPadding))
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

// The HMAC with a key of any length, also one that is longer than a block of the hash, is that
// of crypto/hmac, one after the other with what was used before.
func TestKeyedHMAC(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*macHash{"MD5": macMD5, "SHA-1": macSHA1, "SHA-256": macSHA256, "SHA-384": macSHA384} {
		for n := range 3 * maxBlock {
			key := bytes.Repeat([]byte{byte(n), 0x5a}, n)[:n]
			like := hmac.New(h.new, key)
			w := h.keyed(key)
			for _, text := range []string{"", "some data", "and other data, of more than one block: " + string(make([]byte, maxBlock))} {
				like.Reset()
				like.Write([]byte(text))
				like.Write(key)
				if got, want := w.hmac(nil, []byte(text), key), like.Sum(nil); !bytes.Equal(got, want) {
					t.Fatalf("%s: a key of %d bytes: got %x, want %x", name, n, got, want)
				}
			}
			w.release()
		}
	}
}

// What has computed a MAC goes to another connection with nothing of the key and the data.
func TestMACLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*macHash{"MD5": macMD5, "SHA-1": macSHA1, "SHA-256": macSHA256, "SHA-384": macSHA384} {
		clean := &macWork{hash: h.new().(marshaler), recordMAC: &recordMAC{macHash: h}}
		clean.restore(&[maxWords]byte{})
		var header [macHeaderLen]byte
		m := newRecordMAC(h, bytes.Repeat([]byte{0xa5}, h.size))
		secret := bytes.Repeat([]byte{0xc3}, 300)
		w := m.begin(&header)
		w.hash.Write(secret[:70])
		w.sum(nil)
		constantTime(w, &header, secret, 200, 0)
		macAt(&w.window, secret, 100, m.size)
		copy(w.room[:], secret)
		w.release()
		if w.recordMAC != nil || w.own != clean.own || w.last != clean.last || w.digest != clean.digest || w.room != clean.room ||
			w.window != clean.window || len(bytes.Trim(w.state[:cap(w.state)], "\x00")) > 0 {
			t.Errorf("%s: something is left: %+v", name, w)
		}
		if got, want := marshal(w.hash, nil), marshal(clean.hash, nil); !bytes.Equal(got, want) {
			t.Errorf("%s: the hash has %x, want %x", name, got, want)
		}
		if strings.Contains(fmt.Sprintf("%v", w.hash), "195 195 195") {
			t.Errorf("%s: the hash has data in its block", name)
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

// BenchmarkOpenCBC checks a decrypted record of one byte, as half of a defence against BEAST is,
// one of 4 KiB, and one of the largest size.
func BenchmarkOpenCBC(b *testing.B) {
	for _, size := range []int{1, 4 << 10, maxPlaintext} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			m := newRecordMAC(macSHA1, make([]byte, 20))
			var header [macHeaderLen]byte
			header[11], header[12] = byte(size>>8), byte(size)
			plain := m.sum(make([]byte, size, size+64), &header, make([]byte, size))
			padding := 16 - len(plain)%16
			plain = append(plain, bytes.Repeat([]byte{byte(padding - 1)}, padding)...)
			for b.Loop() {
				if _, ok := m.openCBC(&header, plain); !ok {
					b.Fatal("it does not verify")
				}
			}
		})
	}
}
