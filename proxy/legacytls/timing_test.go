package legacytls

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"hash"
	"math"
	"math/big"
	mathrand "math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/leafrsa"
)

// The benchmarks of this file are run by hand:
//
//	go test -run '^$' -bench 'Timing(Open)?CBC' -benchtime 1000000x ./proxy/legacytls
//	go test -run '^$' -bench TimingRSA -benchtime 30000x ./proxy/legacytls
//
// They measure two classes of input in random order, and report Welch's t of
// the two: with a million measurements, a |t| below 4.5 means that there is no
// difference to be seen. The times above the 90th percentile of all are left
// out of t-low: they are those of the machine, not of the code.

// measure reports how the times of two classes differ. run prepares an input
// of a class, and returns what is timed.
func measure(b *testing.B, run func(class int) func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	classes := make([]int, b.N)
	times := make([]float64, b.N)
	b.ResetTimer()
	for i := range times {
		classes[i] = mathrand.IntN(2)
		f := run(classes[i])
		began := time.Now()
		f()
		times[i] = float64(time.Since(began))
	}
	b.StopTimer()
	if b.N < 1000 {
		return
	}
	limit := slices.Sorted(slices.Values(times))[b.N*9/10]
	var all, low [2][]float64
	for i, class := range classes {
		all[class] = append(all[class], times[i])
		if times[i] < limit {
			low[class] = append(low[class], times[i])
		}
	}
	b.ReportMetric(welch(all), "t")
	b.ReportMetric(welch(low), "t-low")
	first, _ := moments(low[0])
	second, _ := moments(low[1])
	b.ReportMetric(second-first, "ns-apart")
}

// welch is the statistic of Welch's test.
func welch(of [2][]float64) float64 {
	mean0, variance0 := moments(of[0])
	mean1, variance1 := moments(of[1])
	return (mean1 - mean0) / math.Sqrt(variance0/float64(len(of[0]))+variance1/float64(len(of[1])))
}

// moments are the mean and the variance of a sample.
func moments(of []float64) (mean, variance float64) {
	for _, x := range of {
		mean += x / float64(len(of))
	}
	for _, x := range of {
		variance += (x - mean) * (x - mean) / float64(len(of)-1)
	}
	return mean, variance
}

// forgedPlain is what a forged record decrypts to: its last bytes say that it
// has so much padding, and the rest is noise.
func forgedPlain(b *testing.B, size, padding int) []byte {
	plain := make([]byte, size)
	if _, err := rand.Read(plain); err != nil {
		b.Fatal(err)
	}
	copy(plain[size-padding:], bytes.Repeat([]byte{byte(padding - 1)}, padding))
	return plain
}

// BenchmarkTimingCBC compares records that an attacker would like to tell
// apart. The control is the same with a MAC over as much as the padding leaves,
// and has to be seen.
func BenchmarkTimingCBC(b *testing.B) {
	const size = 320
	badPadding := forgedPlain(b, size, 7)
	badPadding[size-3] ^= 0x55
	for _, c := range []struct {
		name    string
		classes [2][]byte
		leaks   bool
	}{
		{"padding-or-MAC", [2][]byte{badPadding, forgedPlain(b, size, 7)}, false},
		{"padding-or-MAC-long", [2][]byte{badPadding, forgedPlain(b, size, 250)}, false},
		{"short-or-long-padding", [2][]byte{forgedPlain(b, size, 1), forgedPlain(b, size, 256)}, false},
		{"same", [2][]byte{badPadding, badPadding}, false},
		{"control", [2][]byte{forgedPlain(b, size, 1), forgedPlain(b, size, 256)}, true},
	} {
		for name, newHash := range map[string]func() hash.Hash{"SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-384": sha512.New384} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				m := newRecordMAC(newMACHash(newHash), make([]byte, 20))
				plain := make([]byte, size)
				measure(b, func(class int) func() {
					var header [macHeaderLen]byte
					copy(plain, c.classes[class])
					if c.leaks {
						return func() { m.sum(nil, &header, plain[:max(0, size-m.size-int(plain[size-1])-1)]) }
					}
					return func() {
						if _, ok := m.openCBC(&header, plain); ok {
							b.Fatal("a forged record verifies")
						}
					}
				})
			})
		}
	}
}

// BenchmarkTimingOpenCBC is the same for records that are decrypted and hashed at once: long
// ones, whose first part is hashed meanwhile.
func BenchmarkTimingOpenCBC(b *testing.B) {
	const size = 2048
	badPadding := forgedPlain(b, size, 7)
	badPadding[size-3] ^= 0x55
	for _, c := range []struct {
		name    string
		classes [2][]byte
	}{
		{"padding-or-MAC", [2][]byte{badPadding, forgedPlain(b, size, 7)}},
		{"padding-or-MAC-long", [2][]byte{badPadding, forgedPlain(b, size, 250)}},
		{"short-or-long-padding", [2][]byte{forgedPlain(b, size, 1), forgedPlain(b, size, 256)}},
		{"same", [2][]byte{badPadding, badPadding}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, opener := newSealer(b, parameters{"", tls.VersionTLS11, tls.TLS_RSA_WITH_AES_128_CBC_SHA})
			var sealed [2][]byte
			for i, plain := range c.classes {
				sealed[i] = append(make([]byte, aes.BlockSize), plain...)
				s.CryptBlocks(sealed[i], sealed[i])
			}
			payload, into := make([]byte, len(sealed[0])), make([]byte, len(sealed[0]))
			measure(b, func(class int) func() {
				copy(payload, sealed[class])
				return func() {
					if _, err := opener.open(typeApplicationData, payload, into); err == nil {
						b.Fatal("a forged record verifies")
					}
				}
			})
		})
	}
}

// BenchmarkTimingRSA compares ciphertexts of a good premaster secret and of
// others, which an attacker would like to tell apart.
func BenchmarkTimingRSA(b *testing.B) {
	private, err := leafrsa.Generate(2048)
	if err != nil {
		b.Fatal(err)
	}
	key := private.Public().(*rsa.PublicKey)
	agreement := rsaAgreement{private, tls.VersionTLS10, tls.VersionTLS10}
	// encoded is PKCS #1 v1.5 with a random filling.
	encoded := func(change func(m []byte)) []byte {
		m := make([]byte, 256)
		_, _ = rand.Read(m)
		for i := range m {
			m[i] |= 1 // no zero
		}
		m[0], m[1], m[256-premasterLen-1] = 0, 2, 0
		copy(m[256-premasterLen:], u16(tls.VersionTLS10))
		change(m)
		c := new(big.Int).Exp(new(big.Int).SetBytes(m), big.NewInt(int64(key.E)), key.N)
		return vec16(c.FillBytes(make([]byte, 256)))
	}
	for name, change := range map[string]func(m []byte){
		"good-or-good":    func([]byte) {},
		"good-or-type":    func(m []byte) { m[1] = 1 },
		"good-or-version": func(m []byte) { m[256-premasterLen+1] = 0 },
		"good-or-length":  func(m []byte) { m[100] = 0 },
	} {
		b.Run(name, func(b *testing.B) {
			var bodies [2][64][]byte
			for i := range bodies[0] {
				bodies[0][i], bodies[1][i] = encoded(func([]byte) {}), encoded(change)
			}
			measure(b, func(class int) func() {
				body := bodies[class][mathrand.IntN(64)]
				return func() {
					if _, err := agreement.premaster(body); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
