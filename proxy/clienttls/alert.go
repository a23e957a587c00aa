package clienttls

import (
	"crypto/tls"
	"encoding/binary"

	"github.com/tlslift/tlslift/proxy/clienthello"
)

// A fatal alert in a record of its own (RFC 5246 sections 6.2.1 and 7.2).
const (
	recordTypeAlert = 21
	alertLen        = 2
	alertLevelFatal = 2
)

// versionSSL30 is SSL 3.0 (RFC 6101).
const versionSSL30 = 0x0300

// AlertRecord returns a fatal alert in the client's own version, so that even an SSL 3.0
// client can read it. The hello is nil if there is none.
func AlertRecord(h *clienthello.Hello, description uint8) []byte {
	version := uint16(tls.VersionTLS10)
	if h != nil && h.Version >= versionSSL30 {
		version = min(h.Version, tls.VersionTLS12)
	}
	alert := binary.BigEndian.AppendUint16([]byte{recordTypeAlert}, version)
	return append(alert, 0, alertLen, alertLevelFatal, description)
}
