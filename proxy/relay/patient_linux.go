package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A patient reads a TCP connection without waiting for bytes, and waits for them without a
// buffer to read them into. One goroutine uses it.
type patient struct {
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

// patientOf returns one for the TCP connection below conn; nil if there is none.
func patientOf(conn net.Conn) *patient {
	tcp := socketOf(conn)
	if tcp == nil {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	w := &patient{conn: tcp, raw: raw}
	w.read, w.ready = w.readOnce, w.isReady // made once: every lifted byte comes this way
	return w
}

// Read reads what is there. The error is errNothing if there is nothing.
func (w *patient) Read(p []byte) (int, error) {
	if w.isEmpty {
		w.isEmpty = false
		return 0, errNothing
	}
	w.p = p
	err := w.raw.Read(w.read)
	w.p = nil
	switch {
	case err != nil: // of the deadline, or of a connection that was closed here
		return 0, err
	case w.err == nil && w.n == 0 && len(p) > 0:
		return 0, io.EOF
	case w.err == nil:
		w.isEmpty = w.n < len(p)
		return w.n, nil
	case errors.Is(w.err, unix.EAGAIN):
		return 0, errNothing
	}
	return 0, &net.OpError{
		Op: "read", Net: "tcp", Source: w.conn.LocalAddr(), Addr: w.conn.RemoteAddr(), Err: os.NewSyscallError("read", w.err),
	}
}

func (w *patient) readOnce(fd uintptr) bool {
	w.n, w.err = again(unix.Read, int(fd), w.p)
	return true
}

// wait returns when there is something to read: bytes, the end, or an error.
func (w *patient) wait() {
	w.isEmpty, w.asked = false, false
	_ = w.raw.Read(w.ready) // the next read has the error too
}

// isReady asks the kernel once. The second time it was called because there is something.
func (w *patient) isReady(fd uintptr) bool {
	if w.asked {
		return true
	}
	w.asked = true
	// A byte that is only peeked at would not do: that takes an error of the socket away, and
	// a connection that was reset would then seem to have ended.
	w.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN} //nolint:gosec // a descriptor is small
	n, err := unix.Poll(w.poll[:], 0)
	return n > 0 || err != nil
}
