package standby

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Reader reads a TCP connection without waiting for bytes, and waits for them without a
// buffer to read them into. One goroutine uses it.
type Reader struct {
	conn *net.TCPConn
	raw  syscall.RawConn

	p       []byte // of the read
	n       int    // what it has brought
	err     error
	isEmpty bool // as far as the last read has seen, nothing more is there
	asked   bool // the kernel was asked whether something is there
	poll    [1]unix.PollFd
	read    func(fd uintptr) bool
	ready   func(fd uintptr) bool
}

// NewReader returns a Reader of conn; nil if the system has none.
func NewReader(conn *net.TCPConn) *Reader {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	r := &Reader{conn: conn, raw: raw}
	r.read, r.ready = r.readOnce, r.isReady // made once: every lifted byte comes this way
	return r
}

// Read reads what is there. The error is ErrNothing if there is nothing.
func (r *Reader) Read(p []byte) (int, error) {
	if r.isEmpty {
		r.isEmpty = false
		return 0, ErrNothing
	}
	r.p = p
	err := r.raw.Read(r.read)
	r.p = nil
	switch {
	case err != nil: // of the deadline, or of a connection that was closed here
		return 0, err
	case r.err == nil && r.n == 0 && len(p) > 0:
		return 0, io.EOF
	case r.err == nil:
		r.isEmpty = r.n < len(p)
		return r.n, nil
	case errors.Is(r.err, unix.EAGAIN):
		return 0, ErrNothing
	}
	return 0, &net.OpError{
		Op: "read", Net: "tcp", Source: r.conn.LocalAddr(), Addr: r.conn.RemoteAddr(), Err: os.NewSyscallError("read", r.err),
	}
}

func (r *Reader) readOnce(fd uintptr) bool {
	for r.n, r.err = unix.Read(int(fd), r.p); errors.Is(r.err, unix.EINTR); {
		r.n, r.err = unix.Read(int(fd), r.p)
	}
	r.n = max(0, r.n)
	return true
}

// Wait returns when there is something to read: bytes, the end, or an error.
func (r *Reader) Wait() {
	r.isEmpty, r.asked = false, false
	_ = r.raw.Read(r.ready) // the next read has the error too
}

// isReady asks the kernel once. The second time it was called because there is something.
func (r *Reader) isReady(fd uintptr) bool {
	if r.asked {
		return true
	}
	r.asked = true
	// A byte that is only peeked at would not do: that takes an error of the socket away, and
	// a connection that was reset would then seem to have ended.
	r.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN} //nolint:gosec // a descriptor is small
	n, err := unix.Poll(r.poll[:], 0)
	return n > 0 || err != nil
}
