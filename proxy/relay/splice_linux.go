package relay

import (
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// fewBytes is how many are read at once as long as no more come: to copy so few costs less
// than to splice them.
const fewBytes = 4 << 10

// splice moves bytes from one TCP socket to the other until src ends: many of them inside
// the kernel. It returns how many have moved. The error is that of writing if write is true.
func splice(dst, src *net.TCPConn) (moved int64, write bool, err error) {
	from, err := src.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	to, err := dst.SyscallConn()
	if err != nil {
		return 0, true, err
	}
	pipes.enter()
	defer pipes.leave()
	var s splicer
	defer s.release()
	fill, drain := s.fill, s.drain // made once: every passed byte comes this way
	for {
		if err = from.Read(fill); err != nil || s.err != nil || s.filled == 0 {
			return moved, false, errors.Join(err, s.err)
		}
		for s.filled > 0 {
			before := s.filled
			err = to.Write(drain)
			moved += int64(before - s.filled)
			if err != nil || s.err != nil {
				return moved, true, errors.Join(err, s.err)
			}
		}
	}
}

// A splicer moves the bytes of one direction: many through a pipe, few through a buffer. It
// has neither while it waits for bytes.
type splicer struct {
	pipe   *pipe
	buffer *[bufferSize]byte
	filled int   // how many bytes are in either
	sent   int   // how many of the buffer were sent before these
	bulk   bool  // many bytes came the last time
	err    error // of the last call, unless nothing can move now
}

// fill takes bytes from a socket, and reports whether something has come: bytes, the end of
// the stream or an error. Of the latter two nothing is filled.
func (s *splicer) fill(fd uintptr) bool {
	s.choose()
	switch {
	case s.pipe != nil:
		s.filled, s.err = spliceOnce(int(fd), s.pipe.w, pipeSize)
	case s.bulk: // there are no pipes
		s.filled, s.err = again(unix.Read, int(fd), s.buffer[:])
	default:
		s.filled, s.err = again(unix.Read, int(fd), s.buffer[:fewBytes])
	}
	s.sent = 0
	if s.err != nil && errors.Is(s.err, unix.EAGAIN) {
		s.err = nil
		s.release()
		return false
	}
	s.bulk = s.filled >= fewBytes
	return true
}

// choose takes a pipe if many bytes came the last time, and there is one; else a buffer.
func (s *splicer) choose() {
	if s.bulk != (s.pipe != nil) {
		s.release()
		if s.bulk {
			s.pipe = pipes.get()
		}
	}
	if s.pipe == nil && s.buffer == nil {
		s.buffer = buffers.Get().(*[bufferSize]byte)
	}
}

// drain gives bytes to a socket, and reports whether some have moved or none ever can.
func (s *splicer) drain(fd uintptr) bool {
	var n int
	var err error
	if s.pipe != nil {
		n, err = spliceOnce(s.pipe.r, int(fd), s.filled)
	} else {
		n, err = again(unix.Write, int(fd), s.buffer[s.sent:s.sent+s.filled])
	}
	s.filled -= n
	s.sent += n
	switch {
	case err == nil && n == 0:
		err = io.ErrShortWrite // it never is: there are bytes
	case err != nil && errors.Is(err, unix.EAGAIN):
		return false
	}
	if s.err = err; s.filled == 0 && s.buffer != nil {
		s.wipe()
	}
	return true
}

// wipe clears the buffer: the next connection that has it is somebody else's.
func (s *splicer) wipe() { clear(s.buffer[:s.sent+s.filled]) }

// release gives back what the splicer has.
func (s *splicer) release() {
	if s.pipe != nil {
		pipes.put(s.pipe, s.filled == 0)
		s.pipe = nil
	}
	if s.buffer != nil {
		s.wipe()
		buffers.Put(s.buffer)
		s.buffer = nil
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

// again reads or writes, again if a signal has interrupted that.
func again(move func(fd int, b []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := move(fd, b)
		if err == nil || !errors.Is(err, unix.EINTR) {
			return max(0, n), err
		}
	}
}
