package relay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// A fed is a connection that gives what is in it, step bytes at a time.
type fed struct {
	net.Conn
	from io.Reader
}

func (f *fed) Read(p []byte) (int, error) { return f.from.Read(p) }

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

// A reader grows as far as it is filled, keeps every byte, and is read in order.
func TestPeekGrows(t *testing.T) {
	t.Parallel()
	all := pattern(MaxBufferSize + 5000)
	for name, from := range map[string]func() io.Reader{
		"at once":      func() io.Reader { return bytes.NewReader(all) },
		"byte by byte": func() io.Reader { return iotest.OneByteReader(bytes.NewReader(all)) },
		"by halves":    func() io.Reader { return iotest.HalfReader(bytes.NewReader(all)) },
	} {
		c := NewConn(&fed{from: from()})
		for _, n := range []int{1, 100, BufferSize, BufferSize + 1, 40000, 20, MaxBufferSize} {
			if got, err := c.Peek(n); err != nil || !bytes.Equal(got, all[:n]) {
				t.Errorf("%s: peeking at %d bytes gives %d, %v", name, n, len(got), err)
			}
			if got, err := c.Reader().Peek(n); err != nil || !bytes.Equal(got, all[:n]) || c.Buffered() < n {
				t.Errorf("%s: the reader gives %d of %d bytes, %v", name, len(got), n, err)
			}
		}
		if _, err := c.Peek(MaxBufferSize + 1); !errors.Is(err, bufio.ErrBufferFull) {
			t.Errorf("%s: peeking further gives %v", name, err)
		}
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, all) {
			t.Errorf("%s: read %d bytes, %v", name, len(got), err)
		}
	}
}

// What a client announces costs nothing: only what it sends does.
func TestPeekGrowsWithTheBytes(t *testing.T) {
	t.Parallel()
	for have, want := range map[int]int{
		1: BufferSize, BufferSize - 1: BufferSize, BufferSize: 2 * BufferSize, 3 * BufferSize: 4 * BufferSize, 4 * BufferSize: MaxBufferSize,
	} {
		c := NewConn(&fed{from: iotest.OneByteReader(bytes.NewReader(pattern(have)))})
		got, err := c.Peek(MaxBufferSize)
		if !errors.Is(err, io.EOF) || !bytes.Equal(got, pattern(have)) {
			t.Errorf("of %d bytes: %d, %v", have, len(got), err)
		}
		if size := c.Reader().Size(); size != want {
			t.Errorf("%d bytes are in a reader of %d, want %d", have, size, want)
		}
		c.Release()
	}
}

// A reader that has grown is not kept for another connection, and what is taken out of
// it or put back is whole.
func TestLargeReadersAreNotKept(t *testing.T) {
	t.Parallel()
	all := pattern(40000)
	c := NewConn(&fed{from: bytes.NewReader(all)})
	if _, err := c.Peek(len(all)); err != nil {
		t.Fatal(err)
	}
	early := c.Take()
	c.Unread(early)
	if c.Reader().Size() != BufferSize {
		t.Errorf("the next reader has %d bytes", c.Reader().Size())
	}
	if got, err := c.Peek(len(all)); err != nil || !bytes.Equal(got, all) {
		t.Errorf("peeking again gives %d bytes, %v", len(got), err)
	}
	c.Release()
	if got := readers.Get().(*bufio.Reader).Size(); got != BufferSize {
		t.Errorf("a reader of %d bytes was kept", got)
	}
}
