package proxy_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// idlePairs opens n connections to an address, has some bytes go both ways on each, and
// leaves them idle until the test ends.
func idlePairs(t testing.TB, address string, config *tls.Config, n, size int) {
	t.Helper()
	content := bytes.Repeat([]byte("x"), size)
	for range n {
		conn := tls.Client(dial(t, address), config)
		sent := make(chan error, 1)
		go func() {
			_, err := conn.Write(content)
			sent <- err
		}()
		if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
}

// carrying returns how many goroutines carry connections.
func carrying() int {
	stacks := make([]byte, 64<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	n := 0
	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		if bytes.Contains(stack, []byte("/proxy/relay.")) || bytes.Contains(stack, []byte("/proxy.(*setup)")) {
			n++
		}
	}
	return n
}

// awaitIdle waits until no goroutine carries a connection, and fails if that does not come.
func awaitIdle(t testing.TB) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(testenv.Patience); carrying() > 0; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines carry connections on which nothing moves", carrying())
		}
	}
}

// Idle connections cost no goroutine, lifted by either TLS stack or passed, after few bytes and
// after many.
func TestIdlePairHasNoGoroutine(t *testing.T) {
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	old, modern := w.oldConfig(), w.client(tls.VersionTLS12)
	for _, size := range []int{1, 1 << 18} {
		idlePairs(t, w.tls, old, 2, size)
		idlePairs(t, w.tls, &tls.Config{ServerName: host, RootCAs: modern.Roots, MaxVersion: tls.VersionTLS12}, 2, size)
		idlePairs(t, w.tls, &tls.Config{
			ServerName: host, RootCAs: modern.Roots, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
		}, 2, size)
	}
	awaitIdle(t)
}

// BenchmarkIdlePair shows what an idle pair holds, after few bytes and after many, less
// what the client and the destination hold by themselves: they are in this process too.
func BenchmarkIdlePair(b *testing.B) {
	const pairs = 50
	fake := testenv.FakeM365(b)
	for name, size := range map[string]int{"few bytes": 1, "256 KiB": 1 << 18} {
		for kind, version := range map[string]uint16{"lifted": tls.VersionTLS10, "passed": tls.VersionTLS12} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				server := echo(b, fake)
				w := newWorld(b, fake, server.Addr(), func(c *proxy.Config) { c.MaxConnections, c.MaxConnectionsPerClient = 2*pairs, 2*pairs })
				config := w.oldConfig()
				config.RootCAs, config.MinVersion, config.MaxVersion = w.client(version).Roots, version, version
				direct := config.Clone()
				direct.MinVersion, direct.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
				idlePairs(b, w.tls, config, 1, size) // what all have in common
				idlePairs(b, server.Addr(), direct, 1, size)
				for b.Loop() {
					bytes0, goroutines0 := held(b)
					idlePairs(b, server.Addr(), direct, pairs, size)
					bytes1, goroutines1 := held(b)
					idlePairs(b, w.tls, config, pairs, size)
					bytes2, goroutines2 := held(b)
					b.ReportMetric(float64(bytes2-2*bytes1+bytes0)/pairs, "B/pair")
					b.ReportMetric(float64(goroutines2-2*goroutines1+goroutines0)/pairs, "goroutines/pair")
				}
			})
		}
	}
}

// held returns the bytes and goroutines of this process, without garbage.
func held(b *testing.B) (size int64, goroutines int) {
	b.Helper()
	awaitIdle(b)
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}
