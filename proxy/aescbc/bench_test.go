package aescbc

import (
	"crypto/sha1"
	"hash"
	"strconv"
	"testing"
)

// Each is for a record of the usual largest size; "slow" is crypto/cipher and crypto/sha1.
const recordLen = 16 << 10

func BenchmarkDecrypt(b *testing.B) {
	for _, size := range []int{16, 32} {
		for name, p := range kinds(b, make([]byte, size), make([]byte, 16)) {
			b.Run(strconv.Itoa(8*size)+"/"+name, func(b *testing.B) {
				record := make([]byte, recordLen)
				b.SetBytes(recordLen)
				for b.Loop() {
					p.decrypter.CryptBlocks(record, record)
				}
			})
		}
	}
}

func BenchmarkEncryptAndSHA1(b *testing.B) {
	for _, size := range []int{16, 32} {
		for name, p := range kinds(b, make([]byte, size), make([]byte, 16)) {
			b.Run(strconv.Itoa(8*size)+"/"+name, func(b *testing.B) {
				record, sealed, h := make([]byte, recordLen), make([]byte, recordLen), sha1.New()
				b.SetBytes(recordLen)
				b.ReportAllocs()
				for b.Loop() {
					p.CryptAndHash(sealed, record, h, record)
				}
			})
		}
	}
}

// BenchmarkDecryptAndSHA1 hashes as much as a TLS server does before it looks at the padding.
func BenchmarkDecryptAndSHA1(b *testing.B) {
	for _, size := range []int{16, 32} {
		for name, p := range kinds(b, make([]byte, size), make([]byte, 16)) {
			b.Run(strconv.Itoa(8*size)+"/"+name, func(b *testing.B) {
				record, h := make([]byte, recordLen), sha1.New()
				b.SetBytes(recordLen)
				b.ReportAllocs()
				for b.Loop() {
					p.decrypter.CryptAndHash(record, record, recordLen-320, func() (hash.Hash, int) { return h, recordLen - 320 })
				}
			})
		}
	}
}

func BenchmarkEncryptThenSHA1(b *testing.B) {
	for name, p := range kinds(b, make([]byte, 16), make([]byte, 16)) {
		b.Run(name, func(b *testing.B) {
			record, h := make([]byte, recordLen), sha1.New()
			b.SetBytes(recordLen)
			for b.Loop() {
				p.CryptThenHash(record, h)
			}
		})
	}
}

// BenchmarkNew is what a connection pays for each direction.
func BenchmarkNew(b *testing.B) {
	for _, size := range []int{16, 32} {
		b.Run(strconv.Itoa(8*size), func(b *testing.B) {
			b.ReportAllocs()
			key, iv := make([]byte, size), make([]byte, 16)
			for b.Loop() {
				if _, err := NewDecrypter(key, iv); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
