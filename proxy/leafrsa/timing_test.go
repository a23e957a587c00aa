package leafrsa

import (
	"bytes"
	"math"
	"math/big"
	mathrand "math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkTiming is run by hand:
//
//	go test -run '^$' -bench Timing -benchtime 300000x ./proxy/leafrsa
//
// It times two classes of inputs in random order, and reports Welch's t of the two. A |t|
// below 4.5 means that there is no difference to be seen. t-low is without the slowest
// tenth, which is the machine's doing. The control is math/big, and has to be seen.
func BenchmarkTiming(b *testing.B) {
	p := newPair(b, 2048, bestCore())
	random := func() []byte { return p.raw(randomBelow(b, p.std.N)) }
	fixed, cofactor := random(), new(big.Int).Div(p.std.N, p.std.Primes[0])
	zero, one := p.raw(new(big.Int)), p.raw(big.NewInt(1))
	multiple := p.raw(cofactor.Mul(cofactor, big.NewInt(12345)))
	for name, class := range map[string]func() []byte{
		"fixed": func() []byte { return fixed }, "zero": func() []byte { return zero }, "one": func() []byte { return one },
		"multiple-of-primes": func() []byte { return multiple }, "random": random,
	} {
		b.Run("private/"+name, func(b *testing.B) {
			welch(b, [2]func() []byte{class, random}, func(input []byte) { _, _ = p.private(input) })
		})
	}
	b.Run("exponent", func(b *testing.B) {
		k := newKey(p.std.Primes, p.core) // its power is wrong with either exponent
		classes := [2]func() []byte{func() []byte { return zero }, random}
		welch(b, classes, func(input []byte) {
			for i := range k.digits {
				for j := range k.digits[i] {
					k.digits[i][j] = uint64(input[i] & (1<<digitBits - 1))
				}
			}
			_, _ = k.private(fixed)
		})
	})
	all := paddings(256)
	for name, test := range all {
		b.Run("decrypt/"+name, func(b *testing.B) {
			good, other := p.encrypt(all["good"].message), p.encrypt(test.message)
			welch(b, [2]func() []byte{func() []byte { return good }, func() []byte { return other }}, func(input []byte) {
				_, _ = p.Decrypt(nil, input, &sessionKey{SessionKeyLen: 48})
			})
		})
	}
	b.Run("control", func(b *testing.B) {
		short := bytes.Clone(fixed)
		clear(short[:200])
		welch(b, [2]func() []byte{func() []byte { return short }, random}, func(input []byte) { p.encrypt(input) })
	})
}

// welch times run with inputs of two classes, and reports how they differ.
func welch(b *testing.B, classes [2]func() []byte, run func([]byte)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	inputs := [2][]byte{make([]byte, maxSize), make([]byte, maxSize)}
	class, times := make([]int, b.N), make([]float64, b.N)
	for i := range times {
		// Both are made each time, so that the time before is the same.
		copy(inputs[0], classes[0]())
		copy(inputs[1], classes[1]())
		class[i] = mathrand.IntN(2)
		input := inputs[class[i]]
		began := time.Now()
		run(input)
		times[i] = float64(time.Since(began))
	}
	if b.N < 1000 {
		return
	}
	limit := slices.Sorted(slices.Values(times))[b.N*9/10]
	var all, low [2]sample
	for i, t := range times {
		all[class[i]].add(t)
		if t < limit {
			low[class[i]].add(t)
		}
	}
	b.ReportMetric(all[0].t(all[1]), "t")
	b.ReportMetric(low[0].t(low[1]), "t-low")
	b.ReportMetric(low[1].mean-low[0].mean, "ns-apart")
}

// A sample has the mean and the variance of times.
type sample struct{ count, mean, squares float64 }

func (s *sample) add(x float64) {
	s.count++
	distance := x - s.mean
	s.mean += distance / s.count
	s.squares += distance * (x - s.mean)
}

func (s sample) t(o sample) float64 {
	return (o.mean - s.mean) / math.Sqrt(s.squares/(s.count-1)/s.count+o.squares/(o.count-1)/o.count)
}
