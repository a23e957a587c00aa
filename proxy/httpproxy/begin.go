package httpproxy

import (
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// The first bytes of SOCKS, which are its versions (RFC 1928).
const (
	socks4 = 4
	socks5 = 5
)

// checkFirst finds a client that begins TLS, SOCKS or worse.
func checkFirst(client *relay.Conn, timeout time.Duration) error {
	if err := client.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	first, err := client.Reader().Peek(1)
	if err != nil {
		return err
	}
	if reason := notHTTP(first[0]); reason != "" {
		return record.Fail(reason, nil)
	}
	return client.SetReadDeadline(time.Time{})
}

// notHTTP returns why a connection that begins with this byte is no HTTP, so
// that nothing more has to be waited for; empty if it may be HTTP.
func notHTTP(first byte) record.Reason {
	switch {
	case clienthello.BeginsTLS(first):
		return record.ReasonTLSOnProxyPort
	case first == socks4, first == socks5:
		return record.ReasonSOCKSOnProxyPort
	case first < ' ' && first != '\r' && first != '\n' && first != '\t':
		return record.ReasonHTTPRequestInvalid
	}
	return ""
}

// SOCKSRefusal returns what refuses a SOCKS client that begins with this byte: no
// acceptable method in version 5, request rejected in version 4. Neither has
// room for a text.
func SOCKSRefusal(first byte) []byte {
	if first == socks5 {
		return []byte{socks5, 0xff}
	}
	return []byte{0, 0x5b, 0, 0, 0, 0, 0, 0}
}
