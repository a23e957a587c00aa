package backend

import (
	"bytes"
	"fmt"
	"io"
)

// blockSize is a size that no record and no buffer has, so that a byte out of place shows.
const blockSize = 30011

// block is what all content consists of: bytes of a small generator, the same each time.
var block = func() []byte {
	b := make([]byte, blockSize)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}()

// A content is a reader of the block, again and again.
type content struct{ at int }

func (c *content) Read(p []byte) (int, error) {
	n := copy(p, block[c.at:])
	c.at = (c.at + n) % blockSize
	return n, nil
}

// Content returns a reader of n bytes that Check knows.
func Content(n int64) io.Reader { return io.LimitReader(&content{}, n) }

// Check reads to the end and returns how many bytes there were. It fails at the first
// byte that is not that of Content.
func Check(r io.Reader) (int64, error) {
	buf := make([]byte, 64<<10)
	var total int64
	for at := 0; ; {
		n, err := r.Read(buf)
		for got := buf[:n]; len(got) > 0; {
			want := block[at:min(at+len(got), blockSize)]
			if !bytes.Equal(got[:len(want)], want) {
				return total, fmt.Errorf("the content is wrong within %d bytes after byte %d", len(want), total)
			}
			got, total, at = got[len(want):], total+int64(len(want)), (at+len(want))%blockSize
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, fmt.Errorf("reading the content: %w", err)
		}
	}
}
