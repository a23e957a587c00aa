package relay

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// splice moves bytes from one TCP socket to the other until src ends, inside the kernel
// as long as there are pipes. It returns how many have moved. The error is that of writing
// if write is true.
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
	for {
		p, n, err := fill(from)
		var sent int64
		switch {
		case err != nil:
			return moved, false, err
		case p == nil:
			sent, write, err = copySome(dst, src)
		case n == 0:
			pipes.put(p, true)
			return moved, false, nil
		default:
			sent, err = drain(to, p, n)
			write = true
			pipes.put(p, sent == int64(n))
		}
		moved += sent
		switch {
		case errors.Is(err, io.EOF) && !write:
			return moved, false, nil
		case err != nil:
			return moved, write, err
		}
	}
}

// spliceOnce moves bytes from one file to another, as many as there are and at most most.
func spliceOnce(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if !errors.Is(err, unix.EINTR) {
			return max(0, int(n)), err // its type is not the same on all processors
		}
	}
}

// fill waits for bytes of a socket, and returns a pipe that has them; an empty one at the
// end of the stream, and nil if there is none. The pipe is taken only when there are
// bytes: idle connections have none.
func fill(from syscall.RawConn) (p *pipe, n int, err error) {
	var failed error
	err = from.Read(func(fd uintptr) bool {
		if p = pipes.get(); p == nil {
			return true
		}
		n, failed = spliceOnce(int(fd), p.w, pipeSize)
		if errors.Is(failed, unix.EAGAIN) {
			pipes.put(p, true)
			p, failed = nil, nil
			return false
		}
		return true
	})
	if err = errors.Join(err, failed); err != nil {
		pipes.put(p, true)
		return nil, 0, err
	}
	return p, n, nil
}

// drain moves n bytes out of a pipe, and returns how many have moved.
func drain(to syscall.RawConn, p *pipe, n int) (sent int64, err error) {
	for sent < int64(n) && err == nil {
		var failed error
		err = to.Write(func(fd uintptr) bool {
			var got int
			got, failed = spliceOnce(p.r, int(fd), n-int(sent))
			if errors.Is(failed, unix.EAGAIN) {
				failed = nil
				return false
			}
			if got == 0 && failed == nil {
				failed = io.ErrShortWrite // it never is: there are bytes in the pipe
			}
			sent += int64(got)
			return true
		})
		err = errors.Join(err, failed)
	}
	return sent, err
}

// copySome copies what one read gives.
func copySome(dst, src *net.TCPConn) (sent int64, write bool, err error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	n, err := src.Read(buf[:])
	if n == 0 {
		return 0, false, err
	}
	written, err := dst.Write(buf[:n])
	clear(buf[:n]) // the next connection is somebody else's
	return int64(written), true, err
}
