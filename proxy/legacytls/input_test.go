package legacytls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// readerConn is a connection that only reads.
type readerConn struct {
	tape
	io.Reader
}

func (c *readerConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// What was in a buffer that goes back is nowhere in it any more, however records
// of all lengths lay in it.
func TestBuffersAreWiped(t *testing.T) { // not in parallel: nobody else may take the buffers
	trace := bytes.Repeat([]byte{0xaa}, 8)
	var stream []byte
	for i := range 60 {
		stream = append(stream, plainRecord(typeApplicationData, tls.VersionTLS10, bytes.Repeat([]byte{0xaa}, (i*7919)%maxPlaintext))...)
	}
	for name, r := range map[string]io.Reader{
		"as much as there is": bytes.NewReader(stream),
		"by halves":           iotest.HalfReader(bytes.NewReader(stream)),
	} {
		in := &input{conn: &readerConn{Reader: r}}
		for n := 0; ; n++ {
			if err := in.await(recordHeaderLen); errors.Is(err, io.ErrUnexpectedEOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			length := int(in.buf[in.r+3])<<8 | int(in.buf[in.r+4])
			if err := in.await(recordHeaderLen + length); err != nil {
				t.Fatal(err)
			}
			in.take(recordHeaderLen)
			if b := in.take(length); !bytes.Equal(b, bytes.Repeat([]byte{0xaa}, length)) {
				t.Fatalf("%s: record %d is %x", name, n, b)
			}
			buf := in.buf
			if in.release(); in.buf == nil && bytes.Contains(buf[:], trace) {
				t.Fatalf("%s: after record %d, the buffer goes back with something in it", name, n)
			}
		}
	}
}

// While a connection waits, it has no buffer.
func TestIdleHasNoBuffer(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		c := begin(t, newConfig(t), p.hello())
		c.connect()
		c.echo([]byte("hello"), 1)
		c.close()
		if c.server.input.buf != nil || c.server.plain != nil || c.server.message != nil {
			t.Errorf("%s: a buffer is kept", p.name)
		}
	}
}
