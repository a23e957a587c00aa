package legacytls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// bufferLen holds a whole record of the largest size and, of the usual size,
// nearly two: one read of the connection brings many small records.
const bufferLen = 2 * (recordHeaderLen + maxPlaintext + maxOverhead)

// buffers are shared by all connections: one that waits needs none.
var buffers = sync.Pool{New: func() any { return new([bufferLen]byte) }}

// An input reads records from a connection. While nothing is there it holds a
// record header at most, and no buffer.
type input struct {
	conn net.Conn
	head [recordHeaderLen]byte
	got  int              // bytes of head while there is no buffer
	buf  *[bufferLen]byte // nil while nothing is there
	r, w int              // what is there is buf[r:w]
	// opened says that something in buf may have been opened where it is. What has not is
	// as it was on the wire, and need not be wiped.
	opened bool
}

// await blocks until n bytes are there, and at least a record header.
func (in *input) await(n int) error {
	for in.buf == nil {
		if err := in.begin(); err != nil {
			return err
		}
	}
	if in.r+n > bufferLen {
		n := copy(in.buf[:], in.buf[in.r:in.w])
		if in.opened {
			clear(in.buf[n:in.w]) // release knows nothing of what was behind
			in.opened = false
		}
		in.r, in.w = 0, n
	}
	for in.w-in.r < n {
		read, err := in.conn.Read(in.buf[in.w:])
		in.w += read
		if in.w-in.r >= n {
			return nil
		}
		if err != nil {
			return cutShort(err, in.w-in.r)
		}
	}
	return nil
}

// begin reads a record header, and takes a buffer when it has come.
func (in *input) begin() error {
	for in.got < recordHeaderLen {
		read, err := in.conn.Read(in.head[in.got:])
		in.got += read
		if err != nil && in.got < recordHeaderLen {
			return cutShort(err, in.got)
		}
	}
	in.buf = buffers.Get().(*[bufferLen]byte)
	in.r, in.w = 0, copy(in.buf[:], in.head[:])
	in.got = 0
	return nil
}

// ErrNoCloseNotify is the end of a connection between two records, without the
// close_notify that it should have. Anybody on the way can bring it about (RFC
// 5246 section 7.2.1); but many old clients just close. It is an
// io.ErrUnexpectedEOF, as is an end in the middle of a record.
var ErrNoCloseNotify = fmt.Errorf("legacytls: the client closed without close_notify: %w", io.ErrUnexpectedEOF)

// cutShort is the error of an end without close_notify.
func cutShort(err error, have int) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case have > 0:
		return io.ErrUnexpectedEOF
	}
	return ErrNoCloseNotify
}

// take consumes n bytes that are there. They are good until the next await or
// release, and may be opened where they are.
func (in *input) take(n int) []byte {
	in.opened = true
	return in.takeSealed(n)
}

// takeSealed is take for bytes that stay as they are.
func (in *input) takeSealed(n int) []byte {
	b := in.buf[in.r : in.r+n]
	in.r += n
	return b
}

// release gives the buffer back when nothing is left in it, wiped of what it
// held: it goes to another connection.
func (in *input) release() {
	if in.buf == nil || in.r < in.w {
		return
	}
	if in.opened {
		clear(in.buf[:in.w])
	}
	buffers.Put(in.buf)
	in.buf, in.r, in.w, in.opened = nil, 0, 0, false
}

// drop gives the buffer back whatever is in it.
func (in *input) drop() {
	in.r = in.w
	in.release()
}

// whole returns the length of a whole record of a type that is there already; -1 if there
// is none.
func (in *input) whole(typ byte) int {
	if in.buf == nil || in.w-in.r < recordHeaderLen || in.buf[in.r] != typ {
		return -1
	}
	n := int(binary.BigEndian.Uint16(in.buf[in.r+3:]))
	if in.w-in.r < recordHeaderLen+n {
		return -1
	}
	return n
}
