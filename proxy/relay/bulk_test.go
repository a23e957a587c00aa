package relay

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tlslift/tlslift/proxy/copybuffer"
)

// A collector takes what is relayed.
type collector struct {
	net.Conn
	io.Reader
	got   bytes.Buffer
	sizes map[int]bool // of the buffers that were read into
}

func (c *collector) Read(p []byte) (int, error) {
	c.sizes[len(p)] = true
	return c.Reader.Read(p)
}

func (c *collector) Write(p []byte) (int, error)      { return c.got.Write(p) }
func (c *collector) Close() error                     { return nil }
func (c *collector) SetReadDeadline(time.Time) error  { return nil }
func (c *collector) SetWriteDeadline(time.Time) error { return nil }
func (c *collector) CloseWrite() error                { return nil }

// Bulk comes out as it went in, whatever the reads bring, and the content of TLS through a
// large buffer.
func TestBulkIsRelayed(t *testing.T) {
	t.Parallel()
	all := pattern(1 << 20)
	for name, from := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "by halves": iotest.HalfReader, "with the end": iotest.DataErrReader,
	} {
		client := &collector{Reader: from(bytes.NewReader(all)), sizes: map[int]bool{}}
		upstream := &collector{Reader: from(bytes.NewReader(all)), sizes: map[int]bool{}}
		r := &Relay{Client: client, Upstream: upstream, Idle: time.Minute, InTLS: name == "at once"}
		if up, down, err := r.Run(); err != nil || up != int64(len(all)) || down != up {
			t.Errorf("%s: %d bytes up, %d down, %v", name, up, down, err)
		}
		if !bytes.Equal(client.got.Bytes(), all) || !bytes.Equal(upstream.got.Bytes(), all) {
			t.Errorf("%s: other bytes arrive", name)
		}
		if client.sizes[copybuffer.BulkSize] != r.InTLS || upstream.sizes[copybuffer.BulkSize] != r.InTLS {
			t.Errorf("%s: read into buffers of %v and %v", name, client.sizes, upstream.sizes)
		}
	}
}
