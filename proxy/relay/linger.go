package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// LingerTime and lingerBytes bound how long a refused client is read from.
const (
	LingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// Linger half-closes and reads what the client still sends before the caller
// closes: closing a socket with unread bytes sends a reset, which can destroy
// the error message on its way to the client (RFC 1122 section 4.2.2.13).
func (c *Conn) Linger() {
	if c.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(LingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, lingerBytes)
}

// ReadOut reads what the peer of conn still sends until it ends, for LingerTime and so many
// bytes at most, and returns how many there were. Whoever reads from conn for a relay may call
// it, and reads nothing from it afterwards: in a relay, a read of conn would not wait, and may
// be ended at any time so that it comes to rest.
func ReadOut(conn net.Conn, most int64) (n int64) {
	if raw := rawOf(conn); raw != nil {
		raw.setStandby(false)
	}
	for end := time.Now().Add(LingerTime); time.Now().Before(end) && conn.SetReadDeadline(end) == nil; {
		more, err := io.CopyN(io.Discard, conn, most-n)
		if n += more; !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	return n
}
