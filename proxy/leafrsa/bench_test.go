package leafrsa

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"testing"
)

// BenchmarkSign compares with crypto/rsa: its time divided by ours is what a leaf gains.
func BenchmarkSign(b *testing.B) {
	for bits := range primeBits {
		k, slow := newPair(b, bits, bestCore()), newPair(b, bits, portable{})
		std, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			b.Fatal(err)
		}
		for by, signer := range map[string]crypto.Signer{"leafrsa": k, "crypto": std, "portable": slow} {
			b.Run(fmt.Sprint(bits, "/", by), func(b *testing.B) {
				digest := make([]byte, 32)
				for b.Loop() {
					if _, err := signer.Sign(rand.Reader, digest, crypto.SHA256); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkCore(b *testing.B) {
	for name, c := range cores() {
		var x, m triple
		var w, n wide
		var table [1 << digitBits]triple
		k := [3]uint64{1, 1, 1}
		b.Run("triple/"+name, func(b *testing.B) {
			for b.Loop() {
				c.multiplyTriple(&x, &x, &x, &m, &k)
			}
		})
		b.Run("wide/"+name, func(b *testing.B) {
			for b.Loop() {
				c.multiplyWide(&w, &w, &w, &n, &k[0])
			}
		})
		b.Run("pick/"+name, func(b *testing.B) {
			for b.Loop() {
				c.pick(&x, &table, &k)
			}
		})
	}
}
