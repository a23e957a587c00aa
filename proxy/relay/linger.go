package relay

import (
	"io"
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
