package relay

import (
	"encoding/binary"
	"net"
)

// HasLeft reports whether the peer of a connection has gone, as far as that can be known
// without a read: never while there is something to read. Nobody may read meanwhile.
func HasLeft(conn net.Conn) bool {
	s := socketOf(conn)
	return s != nil && hasLeft(s)
}

const (
	alertType, dataType = 21, 23 // of TLS records (RFC 8446 section 5.1)

	recordHeader = 5
	// alert13 is a protected alert of TLS 1.3: two bytes, their type, and a tag.
	alert13 = recordHeader + 2 + 1 + 16
	// maxAlert is more than an alert of any older version.
	maxAlert = 128
)

// isAlert reports whether p is one record of TLS with an alert. In TLS 1.3 it is one of
// data, which differs by its size.
func isAlert(p []byte) bool {
	if len(p) <= recordHeader || len(p) > maxAlert || int(binary.BigEndian.Uint16(p[3:])) != len(p)-recordHeader {
		return false
	}
	return p[0] == alertType || p[0] == dataType && len(p) == alert13
}
