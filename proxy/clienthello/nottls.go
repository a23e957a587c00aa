package clienthello

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// What a stream that is not TLS may look like.
const (
	LooksHTTP          = "http"
	LooksProxyProtocol = "proxy_protocol"
	LooksUnknown       = "unknown"
)

// NotTLSError is a stream that does not begin with a hello, nor with anything
// that was meant to be one.
type NotTLSError struct {
	// Looks is one of LooksHTTP, LooksProxyProtocol and LooksUnknown.
	Looks string
}

// Error says what the stream looks like.
func (e *NotTLSError) Error() string {
	return fmt.Sprintf("no client hello (looks like: %s)", e.Looks)
}

// peekOther looks at a stream whose first byte begins neither a handshake
// record nor an ordinary SSLv2-format hello. It uses only what has arrived
// together with that byte: a client that speaks another protocol may be
// waiting for an answer now. TLS records of other types are not TLS either,
// since no connection can begin with them.
func peekOther(r Reader) (*Hello, error) {
	early, _ := r.Peek(r.Buffered()) // cannot fail
	if isLongSSLv2(early) {
		size := int(binary.BigEndian.Uint16(early))
		return peekSSLv2Body(r, sslv2LongHeaderLen, size)
	}
	return nil, &NotTLSError{Looks: looksLike(early)}
}

// The openings of a PROXY protocol header, versions 1 and 2.
const (
	proxyV1 = "PROXY "
	proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

func looksLike(early []byte) string {
	switch {
	case bytes.HasPrefix(early, []byte(proxyV1)), bytes.HasPrefix(early, []byte(proxyV2)):
		return LooksProxyProtocol
	case beginsHTTP(early):
		return LooksHTTP
	}
	return LooksUnknown
}

// maxMethod is the length of the longest method in beginsHTTP.
const maxMethod = len("VERSION-CONTROL")

// beginsHTTP reports whether the first word is an HTTP method. Only known ones
// count, since commands of other protocols (EHLO, USER) look alike. Methods
// are case-sensitive, but home-made clients do not know that.
func beginsHTTP(early []byte) bool {
	word, _, found := bytes.Cut(early[:min(len(early), maxMethod+1)], []byte(" "))
	if !found {
		return false
	}
	switch strings.ToUpper(string(word)) {
	case "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
		// WebDAV and Exchange's variants of it.
		"BCOPY", "BDELETE", "BMOVE", "BPROPFIND", "BPROPPATCH", "CHECKIN", "CHECKOUT", "COPY",
		"LOCK", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "POLL", "PROPFIND", "PROPPATCH",
		"REPORT", "SEARCH", "SUBSCRIBE", "UNLOCK", "UNSUBSCRIBE", "VERSION-CONTROL",
		// Outlook's RPC over HTTP, and the preface of HTTP/2.
		"RPC_IN_DATA", "RPC_OUT_DATA", "PRI":
		return true
	}
	return false
}
