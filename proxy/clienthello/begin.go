package clienthello

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// BeginsTLS reports whether a connection that begins with this byte begins with a
// ClientHello: in a handshake record, or in SSLv2 format. No command of SMTP,
// IMAP, POP3 or HTTP begins like that.
func BeginsTLS(first byte) bool { return first == recordTypeHandshake || first&0x80 != 0 }

// aMoment is enough to see what has arrived already, where the system cannot be asked.
const aMoment = time.Millisecond

// BeginsWithin reports whether conn, which r reads, begins with a ClientHello
// within wait. It consumes nothing. It is false, without an error, when nothing
// arrives in that time; the error is that of reading otherwise. Without a wait, it looks at
// what has arrived.
func BeginsWithin(conn net.Conn, r *bufio.Reader, wait time.Duration) (bool, error) {
	if wait <= 0 && r.Buffered() == 0 {
		switch arrived, known := hasArrived(conn); {
		case arrived:
			wait = time.Second
		case known:
			return false, nil
		default:
			wait = aMoment
		}
	}
	first, err := peekWithin(conn, r, wait)
	// A short wait can be over before the first look, on a busy machine.
	if len(first) == 0 && err == nil {
		if arrived, _ := hasArrived(conn); arrived {
			first, err = peekWithin(conn, r, time.Second)
		}
	}
	return len(first) > 0 && BeginsTLS(first[0]), err
}

// peekWithin returns the first byte; none, without an error, when nothing arrives within
// wait.
func peekWithin(conn net.Conn, r *bufio.Reader, wait time.Duration) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	first, err := r.Peek(1)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("waiting for client hello: %w", err)
	}
	return first, conn.SetReadDeadline(time.Time{})
}

// hasArrived reports whether bytes, or the end, wait in the kernel, if that is known.
func hasArrived(conn net.Conn) (arrived, known bool) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false, false
	}
	err = raw.Control(func(fd uintptr) { arrived, known = canRead(fd) })
	return arrived, known && err == nil
}
