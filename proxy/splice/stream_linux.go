package splice

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// fewBytes is how many are read at once as long as no more come: to copy so few costs
	// less than to splice them.
	fewBytes = 4 << 10
	// bufferSize is how many are copied at once where they are not spliced.
	bufferSize = 16 << 10
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// A Stream is the bytes that go from one TCP connection to another.
type Stream struct {
	Dst, Src *net.TCPConn
	// Moved is how many bytes Dst has taken.
	Moved *atomic.Int64
	// Look is called with bytes before Dst has them, until it returns false. Its error ends
	// Move. Nil looks at none.
	Look func(p []byte) (more bool, err error)
}

// Move moves bytes until Src ends: many of them inside the kernel. The error is that of
// writing if write is true.
func (s *Stream) Move() (write bool, err error) {
	from, err := s.Src.SyscallConn()
	if err != nil {
		return false, err
	}
	to, err := s.Dst.SyscallConn()
	if err != nil {
		return true, err
	}
	m := mover{looks: s.Look != nil}
	defer m.end()
	fill, drain := m.fill, m.drain // made once: every passed byte comes this way
	for {
		if err = from.Read(fill); err != nil || m.err != nil || m.filled == 0 {
			return false, errors.Join(err, m.err)
		}
		if m.looks {
			if m.looks, err = s.Look(m.buffer[:m.filled]); err != nil {
				return false, err
			}
		}
		for m.filled > 0 {
			before := m.filled
			err = to.Write(drain)
			s.Moved.Add(int64(before - m.filled))
			if err != nil || m.err != nil {
				return true, errors.Join(err, m.err)
			}
		}
	}
}

// A mover moves the bytes of a Stream: many through a pipe, few through a buffer. It has
// neither while it waits for bytes.
type mover struct {
	pipe   *pipe
	buffer *[bufferSize]byte
	filled int   // how many bytes are in either
	sent   int   // how many of the buffer were sent before these
	looks  bool  // somebody looks at the bytes
	bulk   bool  // many bytes came the last time
	err    error // of the last call, unless nothing can move now

	mayUsePipes bool // is counted with those that may
}

// fill takes bytes from a socket, and reports whether something has come: bytes, the end of
// the stream or an error. Of the latter two nothing is filled.
func (m *mover) fill(fd uintptr) bool {
	m.choose()
	switch {
	case m.pipe != nil:
		m.filled, m.err = spliceOnce(int(fd), m.pipe.w, pipeSize)
	case m.bulk, m.looks: // there are no pipes, or not yet
		m.filled, m.err = transfer(unix.SYS_READ, fd, m.buffer[:])
	default:
		m.filled, m.err = transfer(unix.SYS_READ, fd, m.buffer[:fewBytes])
	}
	m.sent = 0
	if m.err != nil && errors.Is(m.err, unix.EAGAIN) {
		m.err = nil
		m.release()
		return false
	}
	m.bulk = m.filled >= fewBytes
	return true
}

// choose takes a pipe if many bytes came the last time, and there is one; else a buffer.
func (m *mover) choose() {
	if isBulk := m.bulk && !m.looks; isBulk != (m.pipe != nil) {
		m.release()
		if isBulk {
			m.takePipe()
		}
	}
	if m.pipe == nil && m.buffer == nil {
		m.buffer = buffers.Get().(*[bufferSize]byte)
	}
}

// takePipe takes a pipe, if there is one.
func (m *mover) takePipe() {
	if !m.mayUsePipes {
		m.mayUsePipes = true
		pipes.enter()
	}
	m.pipe = pipes.get()
}

// drain gives bytes to a socket, and reports whether some have moved or none ever can.
func (m *mover) drain(fd uintptr) bool {
	var n int
	var err error
	if m.pipe != nil {
		n, err = spliceOnce(m.pipe.r, int(fd), m.filled)
	} else {
		n, err = transfer(unix.SYS_WRITE, fd, m.buffer[m.sent:m.sent+m.filled])
	}
	m.filled -= n
	m.sent += n
	switch {
	case err == nil && n == 0:
		err = io.ErrShortWrite // it never is: there are bytes
	case err != nil && errors.Is(err, unix.EAGAIN):
		return false
	}
	if m.err = err; m.filled == 0 && m.buffer != nil {
		m.wipe()
	}
	return true
}

// wipe clears the buffer: the next connection that has it is somebody else's.
func (m *mover) wipe() { clear(m.buffer[:m.sent+m.filled]) }

// release gives back what the mover has.
func (m *mover) release() {
	if m.pipe != nil {
		pipes.put(m.pipe, m.filled == 0)
		m.pipe = nil
	}
	if m.buffer != nil {
		m.wipe()
		buffers.Put(m.buffer)
		m.buffer = nil
	}
}

// end is release for good.
func (m *mover) end() {
	m.release()
	if m.mayUsePipes {
		pipes.leave()
	}
}

// spliceOnce moves bytes from one file to another, as many as there are and at most most.
func spliceOnce(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err == nil || !errors.Is(err, unix.EINTR) {
			return max(0, int(n)), err // its type is not the same on all processors
		}
	}
}

// transfer reads or writes bytes, which are few. Go's scheduler is not told of that: it would
// wake the thread that looks for those who wait in the kernel. The sockets here never do.
func transfer(call, fd uintptr, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) //nolint:gosec // that is b
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
