package cost

import (
	"fmt"
	"runtime"
	"testing"
)

// measure does something b.N times, and reports what that costs this process. Allocations
// are reported with their fraction: one that takes place now and then is none.
func measure(b *testing.B, do func()) {
	b.Helper()
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	used := processorTime()
	do()
	used = processorTime() - used
	b.StopTimer()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "exact-allocs/op")
}

// BenchmarkConnection makes connections, each with one small exchange: with all that
// belongs to them, as the record, the log line, metrics and inventory.
func BenchmarkConnection(b *testing.B) {
	for _, k := range []kind{lifted, resumed, passed} {
		b.Run("kind="+string(k), func(b *testing.B) {
			w := newWorld(b, 0)
			w.connect(k, 40, 0) // to have its caches filled
			measure(b, func() { w.connect(k, b.N, 0) })
		})
	}
}

// BenchmarkRelay sends blocks of 1 MiB in an open connection.
func BenchmarkRelay(b *testing.B) {
	for _, k := range []kind{lifted, passed} {
		for _, direction := range []string{"upload", "download"} {
			b.Run(fmt.Sprintf("kind=%s/direction=%s", k, direction), func(b *testing.B) {
				w := newWorld(b, 0)
				w.do(b, task{Do: "open", Kind: k, Address: w.address})
				w.do(b, task{Do: direction, N: 3})
				b.SetBytes(blockSize)
				measure(b, func() { w.do(b, task{Do: direction, N: b.N}) })
				w.do(b, task{Do: "close"})
				<-w.closed
			})
		}
	}
}

// BenchmarkKnownClients makes passed connections when so many clients are known. Each comes
// from another one.
func BenchmarkKnownClients(all *testing.B) {
	for _, clients := range []int{10, 1000, 10_000} {
		var w *world
		all.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			if w == nil { // once, and not for each b.N
				w = newWorld(all, clients)
				w.connect(passed, clients, clients)
			}
			w.t = b
			measure(b, func() { w.connect(passed, b.N, clients) })
		})
	}
}

// The benchmarks measure what they say.
func TestConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 20)
	for _, k := range []kind{lifted, resumed, passed} {
		w.connect(k, 20, 20)
	}
	if n := len(w.inventory.Snapshot()); n != 20 {
		t.Errorf("%d clients are known", n)
	}
	outcomes := map[string]int{}
	for _, c := range w.inventory.Recent("", 0, 0) {
		outcomes[string(c.Outcome)]++
	}
	if outcomes["lifted"] != 40 || outcomes["passed"] != 20 {
		t.Errorf("outcomes: %v", outcomes)
	}
	for _, direction := range []string{"upload", "download"} {
		w.do(t, task{Do: "open", Kind: lifted, Address: w.address, Clients: 20})
		w.do(t, task{Do: direction, N: 2})
		w.do(t, task{Do: "close"})
		<-w.closed
	}
	if c := w.inventory.Recent("", 0, 2); c[0].FromClient < 2*blockSize || c[1].ToClient < 2*blockSize {
		t.Errorf("bytes: %+v", c)
	}
}
