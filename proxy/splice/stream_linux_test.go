//go:build linux

package splice

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
	"golang.org/x/sys/unix"
)

// spliced moves the bytes of two connections to each other, and returns the client and the
// destination.
func spliced(t *testing.T) (client, upstream *net.TCPConn) {
	t.Helper()
	a, client := testenv.TCPPair(t)
	b, upstream := testenv.TCPPair(t)
	var done sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{a, b}, {b, a}} {
		done.Go(func() {
			_, _ = (&Stream{Dst: way[0], Src: way[1], Moved: new(atomic.Int64)}).Move()
			_ = way[0].CloseWrite()
		})
	}
	t.Cleanup(func() {
		_, _ = a.Close(), b.Close()
		done.Wait()
	})
	return client, upstream
}

// answers sends a message of so many bytes, and waits for the answer, which is as large.
func answers(t *testing.T, client, upstream *net.TCPConn, size int) {
	t.Helper()
	for _, way := range [][2]*net.TCPConn{{client, upstream}, {upstream, client}} {
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := way[0].Write(bytes.Repeat([]byte{byte(size)}, size)); err != nil {
				t.Error(err)
			}
		})
		if _, err := io.ReadFull(way[1], make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		sending.Wait()
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

// Connections hold no pipes while they are idle, however much they have carried, and none
// stay when they have ended.
func TestIdleStreamsHoldNoPipes(t *testing.T) {
	before := openPipes(t)
	const connections = 100
	for _, size := range []int{1, fewBytes, 128 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			for range connections {
				client, upstream := spliced(t)
				answers(t, client, upstream, size)
			}
			for deadline := time.Now().Add(testenv.Patience); openPipes(t)-before > 2*maxFreePipes; {
				if time.Now().After(deadline) { // the last bytes arrive before the stream sees that no more come
					t.Fatalf("%d idle connections hold %d files of pipes", connections, openPipes(t)-before)
				}
			}
			if n := openPipes(t) - before; size == 1 && n > 0 {
				t.Errorf("small messages have used %d files of pipes", n)
			}
		})
		if n := openPipes(t) - before; n > 0 {
			t.Errorf("%d files of pipes stay", n)
		}
	}
}

// More connections than there are pipes carry few bytes and many, in turn and at the same time,
// in order and complete.
func TestFewBytesAndMany(t *testing.T) {
	var done sync.WaitGroup
	for i := range maxPipes {
		client, upstream := spliced(t)
		for _, way := range [][2]*net.TCPConn{{client, upstream}, {upstream, client}} {
			text := bytes.Repeat(fmt.Appendf(nil, "%d %v\n", i, way[0].LocalAddr()), 3_000)
			done.Go(func() { carries(t, way[0], way[1], text) })
		}
	}
	done.Wait()
}

// carries sends a text in pieces, each once the one before has arrived, and the end.
func carries(t *testing.T, from, to *net.TCPConn, text []byte) {
	got := make([]byte, 80_000)
	for size := 1; len(text) > 0; size = size*5%79_999 + 1 {
		piece := text[:min(size, len(text))]
		text = text[len(piece):]
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := from.Write(piece); err != nil {
				t.Error(err)
			}
		})
		_, err := io.ReadFull(to, got[:len(piece)])
		sending.Wait()
		if err != nil || !bytes.Equal(got[:len(piece)], piece) {
			t.Errorf("%d bytes arrive as others, and %v", len(piece), err)
			return
		}
	}
	_ = from.CloseWrite()
	if n, err := to.Read(got); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes after the end, %v", n, err)
	}
}

// Bytes go on to flow when all pipes are in use, in order and complete.
func TestStreamsWithoutPipes(t *testing.T) {
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

// onFile calls f with the descriptor of a connection.
func onFile(t *testing.T, c *net.TCPConn, f func(fd uintptr)) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(f)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What was passed through a buffer is not there any more when another connection gets it.
func TestPassedBytesAreWiped(t *testing.T) {
	a, client := testenv.TCPPair(t)
	b, upstream := testenv.TCPPair(t)
	var m mover
	buffer := new([bufferSize]byte)
	pass := func(text string) {
		m.buffer = cmp.Or(m.buffer, buffer)
		if _, err := client.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		onFile(t, a, func(fd uintptr) {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1) // or it gives the buffer back
			m.fill(fd)
		})
		onFile(t, b, func(fd uintptr) { m.drain(fd) })
		if _, err := io.ReadFull(upstream, make([]byte, len(text))); err != nil {
			t.Fatal(err)
		}
	}
	pass("AUTH PLAIN c2VjcmV0")
	pass("NOOP")
	m.release()
	if *buffer != [bufferSize]byte{} {
		t.Errorf("%q is still in the buffer", bytes.TrimRight(buffer[:], "\x00"))
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
		"ours": func(dst, src *net.TCPConn) error {
			_, err := (&Stream{Dst: dst, Src: src, Moved: new(atomic.Int64)}).Move()
			return err
		},
		"net": func(dst, src *net.TCPConn) error { _, err := dst.ReadFrom(src); return err },
	} {
		for _, size := range []int{1 << 10, 16 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				a, client := testenv.TCPPair(b)
				c, upstream := testenv.TCPPair(b)
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

// What has not arrived at the other side when a stream ends is in no buffer and in no pipe
// that another connection gets.
func TestWhatHasNotArrivedIsGone(t *testing.T) {
	before := openPipes(t)
	for _, bulk := range []bool{false, true} {
		near, far := testenv.TCPPair(t)
		if _, err := far.Write([]byte("AUTH PLAIN c2VjcmV0")); err != nil {
			t.Fatal(err)
		}
		buffer := new([bufferSize]byte)
		m := mover{bulk: bulk}
		if !bulk {
			m.buffer = buffer
		}
		onFile(t, near, func(fd uintptr) {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			m.fill(fd)
		})
		if m.filled == 0 || (m.pipe != nil) != bulk {
			t.Fatalf("bulk %t: %d bytes are in %+v", bulk, m.filled, m)
		}
		m.release()
		if *buffer != [bufferSize]byte{} {
			t.Errorf("%q is still in the buffer", bytes.TrimRight(buffer[:], "\x00"))
		}
		if n := openPipes(t) - before; n > 0 {
			t.Errorf("bulk %t: %d files of pipes are kept with what is in them", bulk, n)
		}
		m.end()
	}
}

// An error is of reading from the source, or of writing to the destination.
func TestWhoseErrorItIs(t *testing.T) {
	for _, write := range []bool{false, true} {
		source, client := testenv.TCPPair(t)
		destination, upstream := testenv.TCPPair(t)
		var sending sync.WaitGroup
		if write {
			_ = upstream.SetLinger(0)
			_ = upstream.Close()
			sending.Go(func() { // until the stream ends
				for err := error(nil); err == nil; {
					_, err = client.Write(make([]byte, 1<<10))
				}
			})
		} else {
			_ = client.SetLinger(0)
			_ = client.Close()
		}
		got, err := (&Stream{Dst: destination, Src: source, Moved: new(atomic.Int64)}).Move()
		if err == nil || got != write {
			t.Errorf("the error is of writing: %t, want %t: %v", got, write, err)
		}
		_ = source.Close()
		sending.Wait()
	}
}
