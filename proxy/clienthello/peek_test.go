package clienthello

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
)

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// butForLength compares hellos that are framed differently.
func butForLength(a, b *Hello) bool {
	x, y := *a, *b
	x.Length, y.Length = 0, 0
	return equal(x, y)
}

func mustPeek(t testing.TB, b []byte) *Hello {
	t.Helper()
	h, err := Peek(reader(b))
	if err != nil {
		t.Fatalf("%v\n% x", err, b)
	}
	return h
}

// A lastReader fails the test when it is read again after its last byte: a
// client that has sent a whole hello is waiting for an answer.
type lastReader struct {
	t    testing.TB
	rest []byte
	step int
}

func (r *lastReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.t.Error("read beyond the hello")
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestDoesNotReadBeyondTheHello(t *testing.T) {
	t.Parallel()
	for name, b := range accepted(t) {
		want := mustPeek(t, b)
		for _, step := range []int{1, 2, 3, 7, 100, len(b)} {
			h, err := Peek(bufio.NewReaderSize(&lastReader{t, b, step}, MaxSize))
			if err != nil || !equal(h, want) {
				t.Errorf("%s in reads of %d: %+v, %v", name, step, h, err)
			}
		}
	}
}

// What follows the hello is never asked for, nor is anything before it is
// known to come: byte by byte, exactly the hello is read.
func TestAsksForExactlyTheHello(t *testing.T) {
	t.Parallel()
	for name, b := range accepted(t) {
		more := slices.Concat(b, []byte("what the client sends next"))
		r := bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(more)), MaxSize)
		h, err := Peek(r)
		if err != nil || r.Buffered() != h.Length || h.Length != len(b) {
			t.Errorf("%s: %v; read %d, hello %d", name, err, r.Buffered(), len(b))
		}
	}
}

func TestConsumesNothing(t *testing.T) {
	t.Parallel()
	streams := accepted(t)
	streams["http"] = []byte("GET / HTTP/1.1\r\n\r\n")
	streams["malformed"] = record(0x0301, []byte{2, 0, 0, 0})
	streams["truncated"] = streams["no extensions"][:20]
	for name, b := range streams {
		b = slices.Concat(b, bytes.Repeat([]byte("more"), 1000))
		r := reader(b)
		h, err := Peek(r)
		again, errAgain := Peek(r)
		if !equal(h, again) || !equal(err, errAgain) {
			t.Errorf("%s: at first %+v, %v; then %+v, %v", name, h, err, again, errAgain)
		}
		if left, err := io.ReadAll(r); err != nil || !bytes.Equal(left, b) {
			t.Errorf("%s: %d of %d bytes are left, %v", name, len(left), len(b), err)
		}
	}
}

// A hello stays as it is when the reader goes on.
func TestHelloOutlivesTheBuffer(t *testing.T) {
	t.Parallel()
	b := modern(t)["crypto/tls TLS 1.3"]
	r := reader(slices.Concat(b, bytes.Repeat([]byte{0xff}, 4*MaxSize)))
	h, err := Peek(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil || !equal(h, mustPeek(t, b)) {
		t.Errorf("the hello has changed to %+v, %v", h, err)
	}
}

func TestFragmentation(t *testing.T) {
	t.Parallel()
	for name, b := range accepted(t) {
		want := mustPeek(t, b)
		if want.Format == SSLv2 {
			continue
		}
		message := unfragment(b)
		for size := 1; size <= len(message); size++ {
			stream := fragment(want.RecordVersion, message, size)
			h, err := Peek(bufio.NewReaderSize(&lastReader{t, stream, len(stream)}, MaxSize))
			if err != nil || !butForLength(h, want) || h.Length != len(stream) {
				t.Fatalf("%s in records of %d: %+v, %v", name, size, h, err)
			}
		}
	}
}

// The records of one hello may differ in version, and its TCP segments may end
// anywhere.
func TestFragmentsOverTCP(t *testing.T) {
	t.Parallel()
	message := unfragment(modern(t)["crypto/tls TLS 1.3"])
	stream := slices.Concat(record(0x0301, message[:2]), record(0x0303, message[2:9]), fragment(0x0303, message[9:], 60))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var client sync.WaitGroup
	defer client.Wait()
	done := make(chan struct{})
	defer close(done)
	client.Go(func() {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for part := range slices.Chunk(stream, 11) {
			if _, err := conn.Write(part); err != nil {
				t.Error(err)
			}
		}
		<-done // and waits for an answer
	})
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	h, err := Peek(bufio.NewReaderSize(conn, MaxSize))
	if err != nil || h.Length != len(stream) || h.RecordVersion != 0x0301 || !butForLength(h, mustPeek(t, record(0x0301, message))) {
		t.Errorf("got %+v, %v", h, err)
	}
}

// Bytes in records after the hello are not part of it. In its own record there
// may be none: see TestMalformedAlerts.
func TestCoalesced(t *testing.T) {
	t.Parallel()
	message := draft{version: 0x0301, suites: []uint16{0x000a}, compression: []byte{0}}.message()
	want := mustPeek(t, record(0x0301, message))
	stream := slices.Concat(record(0x0301, message), handshake(16, []byte("client key exchange")))
	h, err := Peek(reader(stream))
	if err != nil || h.Length != recordHeaderLen+len(message) || !butForLength(h, want) {
		t.Errorf("%+v, %v", h, err)
	}
}

// A stream that ends is told from one that is wrong at every byte.
func TestTruncation(t *testing.T) {
	t.Parallel()
	for name, b := range accepted(t) {
		if _, err := Peek(reader(nil)); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("nothing: %v, want EOF", err)
		}
		streams := [][]byte{b}
		if h := mustPeek(t, b); h.Format == Record {
			streams = append(streams, fragment(h.RecordVersion, unfragment(b), 3))
		}
		for _, b := range streams {
			for n := 1; n < len(b); n++ {
				if h, err := Peek(reader(b[:n])); h != nil || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s up to %d: %+v, %v, want unexpected EOF", name, n, h, err)
				}
			}
		}
	}
}

// The caller's deadline, and any other error of reading, shows through.
func TestReadError(t *testing.T) {
	t.Parallel()
	b := modern(t)["crypto/tls TLS 1.2"]
	for _, n := range []int{0, 1, 4, 5, 40, len(b) - 1} {
		src := io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(os.ErrDeadlineExceeded))
		if _, err := Peek(bufio.NewReaderSize(src, MaxSize)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %d bytes: %v, want the deadline", n, err)
		}
	}
}

// A reset in the middle of a hello is an end in the middle of it.
func TestResetInHello(t *testing.T) {
	t.Parallel()
	for name, b := range accepted(t) {
		for _, n := range []int{0, 1, 2, 5, 20, len(b) - 1} {
			src := io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(syscall.ECONNRESET))
			_, err := Peek(bufio.NewReaderSize(src, MaxSize))
			if !errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) != (n > 0) {
				t.Errorf("%s, after %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestNoise(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 64<<10)
	for range 300 {
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		for _, first := range []byte{noise[0], 0x16, 0x80, 0x00, 'G'} {
			noise[0] = first
			r := reader(noise)
			if h, err := Peek(r); h != nil || err == nil {
				t.Errorf("took noise for %+v", h)
			}
			if left, _ := io.ReadAll(r); !bytes.Equal(left, noise) {
				t.Error("noise was consumed")
			}
		}
	}
}

// filled is the message of a hello that has n bytes, without its header.
func filled(n int) []byte {
	draft := func(padding int) []byte {
		return draft{version: 0x0303, suites: []uint16{0x002f}, compression: []byte{0},
			extensions: [][]byte{extension(extPadding, make([]byte, padding)...)}}.message()
	}
	return draft(n + handshakeHeaderLen - len(draft(0)))
}

func TestSize(t *testing.T) {
	t.Parallel()
	const full = 16 << 10 // of a record
	for name, b := range map[string][]byte{
		"the largest":                     fragment(0x0301, filled(maxMessage), full),
		"the largest, in smaller records": fragment(0x0301, filled(maxMessage), 100),
		"one record that is full":         fragment(0x0301, filled(full-handshakeHeaderLen), full),
		"one byte more":                   fragment(0x0301, filled(full-handshakeHeaderLen+1), full),
		"records of one byte":             fragment(0x0301, filled(10000), 1),
	} {
		if h, err := Peek(reader(b)); err != nil || h.Length != len(b) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	manySpecs := bytes.Repeat([]byte{0, 0, 0x0a}, (maxSSLv2-9-32)/3)
	for name, b := range map[string][]byte{
		"one byte too many":         fragment(0x0301, filled(maxMessage+1), full),
		"announced in its header":   record(0x0301, []byte{1, 1, 0, 1}),
		"too many records":          fragment(0x0301, filled(12000), 1),
		"a record too long":         record(0x0301, filled(maxRecord)),
		"a record of 64 KiB":        {22, 3, 1, 0xff, 0xff, 1, 0, 0xff, 0xfb},
		"its last header too far":   fragment(0x0301, filled(maxMessage), 75),
		"SSLv2 format":              sslv2(sslv2Body(0x0301, slices.Concat(manySpecs, []byte{0, 0, 5, 0, 0, 4}), 0, 32)),
		"SSLv2 format, long header": longSSLv2(sslv2Body(0x0301, slices.Concat(manySpecs, []byte{0, 0, 5, 0, 0, 4}), 0, 32)),
	} {
		if h, err := Peek(reader(b)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %+v, %v, want too large", name, h, err)
		}
	}
	if h, err := Peek(reader(fragment(0x0301, filled(maxMessage), full)[:4*(recordHeaderLen+full)])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without the last bytes: %+v, %v", h, err)
	}
	// A record that cannot end within the limit is not waited for.
	beyond := slices.Concat(fragment(0x0301, filled(maxMessage), 16000)[:4*(recordHeaderLen+16000)], []byte{22, 3, 1, 0x40, 0})
	if h, err := Peek(reader(beyond)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a last record of 16 KiB: %+v, %v", h, err)
	}
}

// What a hello repeats costs no more than what it says once.
func TestManyExtensions(t *testing.T) {
	t.Parallel()
	var many [][]byte
	for i := range uint16(8000) {
		many = append(many, extension(0x4000+i))
	}
	for range 8000 {
		many = append(many, extension(extServerName))
	}
	d := draft{version: 0x0303, suites: []uint16{0x002f}, compression: []byte{0}, extensions: many}
	h := mustPeek(t, fragment(0x0301, d.message(), maxRecord))
	if h.ServerName != "" || len(h.Extensions) < 15000 {
		t.Errorf("%q, %d extensions", h.ServerName, len(h.Extensions))
	}
}

func BenchmarkPeek(b *testing.B) {
	all := accepted(b)
	message := unfragment(all["crypto/tls TLS 1.3"])
	all["crypto/tls TLS 1.3 in records of 1"] = fragment(0x0301, message, 1)
	for _, name := range []string{
		"openssl-0.9.8-default.bin", "openssl-1.0.0-tls1.bin", "crypto/tls TLS 1.3",
		"crypto/tls with ML-KEM", "crypto/tls TLS 1.3 in records of 1",
	} {
		b.Run(name, func(b *testing.B) {
			src := bytes.NewReader(nil)
			r := bufio.NewReaderSize(src, MaxSize)
			b.ReportAllocs()
			b.SetBytes(int64(len(all[name])))
			for b.Loop() {
				src.Reset(all[name])
				r.Reset(src)
				if _, err := Peek(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
