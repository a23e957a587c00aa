//go:build linux

package relay

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// spliced runs a relay of TLS that is passed, and returns the client and the destination.
func spliced(t *testing.T) (client, upstream *net.TCPConn) {
	t.Helper()
	a, client := tcpPair(t)
	b, upstream := tcpPair(t)
	r := &Relay{Client: a, Upstream: b, Idle: time.Hour, AbortUpstream: func() { Reset(b) }}
	r.Abort = func() {
		Reset(a)
		Reset(b)
	}
	var done sync.WaitGroup
	done.Go(func() { _, _, _ = r.Run() })
	t.Cleanup(func() {
		r.Abort()
		done.Wait()
	})
	return client, upstream
}

// answers sends a byte and waits for the answer.
func answers(t *testing.T, client, upstream *net.TCPConn) {
	t.Helper()
	for _, way := range [][2]*net.TCPConn{{client, upstream}, {upstream, client}} {
		if _, err := way[0].Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(way[1], make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// openPipes returns how many files of this process are pipes.
func openPipes(t *testing.T) int {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(all) == 0 {
		t.Skip("there is no /proc")
	}
	n := 0
	for _, name := range all {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

// Passed connections that are idle hold no pipes, and none stay when they have ended.
func TestIdleRelaysHoldNoPipes(t *testing.T) {
	before := openPipes(t)
	const relays = 200
	t.Run("open", func(t *testing.T) {
		for range relays {
			client, upstream := spliced(t)
			answers(t, client, upstream)
		}
		if n := openPipes(t) - before; n > 2*maxFreePipes {
			t.Errorf("%d idle relays hold %d files of pipes", relays, n)
		}
	})
	if n := openPipes(t) - before; n > 0 {
		t.Errorf("%d files of pipes stay", n)
	}
}

// Bytes go on to flow when all pipes are in use, in order and complete.
func TestRelayWithoutPipes(t *testing.T) {
	var taken []*pipe
	for p := pipes.get(); p != nil; p = pipes.get() {
		taken = append(taken, p)
	}
	free := func() {
		for _, p := range taken {
			pipes.put(p, true)
		}
		taken = nil
	}
	defer free()
	if len(taken) == 0 || len(taken) > maxPipes {
		t.Fatalf("%d pipes", len(taken))
	}
	client, upstream := spliced(t)
	all := bytes.Repeat([]byte("0123456789abcdef!"), 1<<18)
	var sending sync.WaitGroup
	sending.Go(func() {
		for i, part := 0, 1000; i < len(all); i, part = i+part, part*3/2 {
			part = min(part, len(all)-i)
			if _, err := client.Write(all[i : i+part]); err != nil {
				t.Error(err)
				return
			}
			if i > len(all)/4 {
				free() // from here on there are pipes again
			}
		}
		_ = client.CloseWrite()
	})
	got, err := io.ReadAll(upstream)
	sending.Wait()
	if err != nil || sha256.Sum256(got) != sha256.Sum256(all) {
		t.Errorf("%d of %d bytes, %v", len(got), len(all), err)
	}
}

// A pipe with bytes in it is never used for another connection.
func TestPipesWithBytesAreClosed(t *testing.T) {
	var l pipePool
	p := l.get()
	l.put(p, false)
	if l.open != 0 || len(l.free) != 0 {
		t.Errorf("%d are open, %d free", l.open, len(l.free))
	}
	var all []*pipe
	for range maxPipes {
		all = append(all, l.get())
	}
	if l.get() != nil {
		t.Error("there are more pipes than may be")
	}
	for _, p := range all {
		l.put(p, true)
	}
	if l.open != maxFreePipes || len(l.free) != maxFreePipes {
		t.Errorf("%d are open, %d free", l.open, len(l.free))
	}
	for _, p := range l.free {
		l.put(p, false)
	}
}

// processorTime returns what this process has used, which a busy machine disturbs less than
// the throughput.
func processorTime() int64 {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

// BenchmarkPassed compares the throughput with that of Go's own splicing.
func BenchmarkPassed(b *testing.B) {
	for name, move := range map[string]func(dst, src *net.TCPConn) error{
		"ours": func(dst, src *net.TCPConn) error { _, _, err := splice(dst, src); return err },
		"net":  func(dst, src *net.TCPConn) error { _, err := dst.ReadFrom(src); return err },
	} {
		for _, size := range []int{1 << 10, 16 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				a, client := tcpPair(b)
				c, upstream := tcpPair(b)
				var done sync.WaitGroup
				done.Go(func() {
					if err := move(c, a); err != nil {
						b.Error(err)
					}
					_ = c.CloseWrite()
				})
				done.Go(func() { _, _ = io.Copy(struct{ io.Writer }{io.Discard}, upstream) })
				chunk := make([]byte, size)
				before := processorTime()
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, err := client.Write(chunk); err != nil {
						b.Fatal(err)
					}
				}
				_ = client.CloseWrite()
				done.Wait()
				b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}
