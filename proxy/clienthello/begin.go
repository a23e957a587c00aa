package clienthello

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// BeginsTLS reports whether a connection that begins with this byte begins with a
// ClientHello: in a handshake record, or in SSLv2 format. No command of SMTP,
// IMAP, POP3 or HTTP begins like that.
func BeginsTLS(first byte) bool { return first == recordTypeHandshake || first&0x80 != 0 }

// BeginsWithin reports whether conn, which r reads, begins with a ClientHello
// within wait. It consumes nothing. It is false, without an error, when nothing
// arrives in that time; the error is that of reading otherwise.
func BeginsWithin(conn net.Conn, r *bufio.Reader, wait time.Duration) (bool, error) {
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return false, err
	}
	first, err := r.Peek(1)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return false, fmt.Errorf("waiting for client hello: %w", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return false, err
	}
	return len(first) > 0 && BeginsTLS(first[0]), nil
}
