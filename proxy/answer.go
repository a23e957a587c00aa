package proxy

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
)

// answer tells a client that is refused, in its own protocol, while nothing
// has been relayed to it yet. Nobody is told when the client has gone, and no
// plaintext alert follows once our own handshake with it has begun.
func (s *Server) answer(c *client, f *failure) {
	if c.rec.Outcome != "" || silent[f.reason] {
		return
	}
	if s.answerInside(c, f) || c.startedTLS || f.told {
		s.linger(c) // crypto/tls has sent its alert, or it has been told; let that arrive
		return
	}
	if c.SetWriteDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	if _, err := c.Write(s.refusal(c, f)); err != nil {
		return
	}
	s.linger(c)
}

// maxLingering bounds the refused connections that are listened to: they have
// no place in the limits any more, so a flood of them must not pile up.
const maxLingering = 256

// linger lets what was said to a client arrive before its connection is closed.
func (s *Server) linger(c *client) {
	if s.lingering.Add(1) <= maxLingering {
		c.linger()
	}
	s.lingering.Add(-1)
}

// silent are the reasons whose client is gone or must not be told anything:
// strangers learn nothing about the port.
var silent = map[Reason]bool{
	ReasonClientNotAllowed:     true,
	ReasonClosedBeforeHello:    true,
	ReasonClosedBeforeTLS:      true,
	ReasonHelloTruncated:       true,
	ReasonProxyHeaderInvalid:   true,
	ReasonProxyHeaderUntrusted: true,
}

// refusal is what to say to the client.
func (s *Server) refusal(c *client, f *failure) []byte {
	var byDestination *refusedByAlert
	switch {
	case errors.As(f, &byDestination):
		return byDestination.answer
	case c.mailProtocol() != "" && c.hello == nil && !s.awaitsTLS(c, f):
		return mailRefusal(c.mailProtocol(), f)
	case f.reason == ReasonHTTPOnTLSPort:
		return httpRefusal("HTTP/1.1", f)
	case c.listener.explicit == nil, f.reason == ReasonTLSOnProxyPort, c.tunnel != nil && c.tunnel.open:
		return alertRecord(c.hello, alertFor(f.reason))
	case c.tunnel != nil:
		return httpRefusal(c.tunnel.proto, f)
	}
	return httpRefusal("HTTP/1.1", f)
}

// Alert descriptions of RFC 8446 section 6.
const (
	alertUnexpectedMessage     = 10
	alertRecordOverflow        = 22
	alertHandshakeFailure      = 40
	alertAccessDenied          = 49
	alertDecodeError           = 50
	alertProtocolVersion       = 70
	alertInternalError         = 80
	alertInappropriateFallback = 86
	alertUnrecognizedName      = 112
)

var alerts = map[Reason]uint8{
	ReasonTLSOnProxyPort:        alertUnexpectedMessage,
	ReasonNotTLS:                alertUnexpectedMessage,
	ReasonTLSBeforeStartTLS:     alertUnexpectedMessage,
	ReasonCommandAfterStartTLS:  alertUnexpectedMessage,
	ReasonHelloMalformed:        alertDecodeError,
	ReasonHelloTooLarge:         alertRecordOverflow,
	ReasonSSL2Only:              alertProtocolVersion,
	ReasonSSL3Only:              alertHandshakeFailure, // SSL 3.0 has no protocol_version (RFC 6101)
	ReasonCipherSuiteDisabled:   alertHandshakeFailure,
	ReasonNoSharedCipherSuite:   alertHandshakeFailure,
	ReasonHelloTimeout:          alertHandshakeFailure,
	ReasonUpstreamRefusedHello:  alertHandshakeFailure,
	ReasonInappropriateFallback: alertInappropriateFallback,
	ReasonNoServerName:          alertUnrecognizedName,
	ReasonDestinationInvalid:    alertUnrecognizedName,
	ReasonDestinationIsAddress:  alertUnrecognizedName,
	ReasonDestinationNotAllowed: alertAccessDenied,
	ReasonPortNotAllowed:        alertAccessDenied,
	ReasonAddressForbidden:      alertAccessDenied,
	ReasonDestinationIsSelf:     alertAccessDenied,
	ReasonNotRedirected:         alertAccessDenied,
	ReasonRedirectLoop:          alertAccessDenied,
}

func alertFor(r Reason) uint8 {
	if a, ok := alerts[r]; ok {
		return a
	}
	return alertInternalError
}

// alertRecord is a fatal alert in the client's own version, so that even an
// SSL 3.0 client can read it.
func alertRecord(h *clienthello.Hello, description uint8) []byte {
	version := uint16(tls.VersionTLS10)
	if h != nil && h.Version >= versionSSL30 {
		version = min(h.Version, tls.VersionTLS12)
	}
	record := binary.BigEndian.AppendUint16([]byte{recordTypeAlert}, version)
	return append(record, 0, alertLen, alertLevelFatal, description)
}

var httpStatus = map[Reason]int{
	ReasonTooManyConnections:    http.StatusServiceUnavailable,
	ReasonTooManyFromClient:     http.StatusServiceUnavailable,
	ReasonHTTPRequestInvalid:    http.StatusBadRequest,
	ReasonHTTPOnTLSPort:         http.StatusBadRequest,
	ReasonHelloTimeout:          http.StatusRequestTimeout,
	ReasonDestinationInvalid:    http.StatusBadRequest,
	ReasonDestinationIsAddress:  http.StatusForbidden,
	ReasonDestinationNotAllowed: http.StatusForbidden,
	ReasonPortNotAllowed:        http.StatusForbidden,
	ReasonAddressForbidden:      http.StatusForbidden,
	ReasonDestinationIsSelf:     http.StatusForbidden,
	ReasonUpstreamTimeout:       http.StatusGatewayTimeout,
	ReasonDNSFailed:             http.StatusGatewayTimeout,
	ReasonInternal:              http.StatusInternalServerError,
}

func statusFor(r Reason) int {
	if code, ok := httpStatus[r]; ok {
		return code
	}
	return http.StatusBadGateway
}

// explain is the body of an HTTP refusal: what happened and what to change.
func explain(f *failure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tlslift: %s\n%s\nReason: %s\n", f.reason.Cause(), f.reason.Remedy(), f.reason)
	if f.err != nil {
		fmt.Fprintf(&b, "Detail: %s\n", f.err)
	}
	return b.String()
}

// httpRefusal is a whole HTTP response in the client's version.
func httpRefusal(proto string, f *failure) []byte {
	code, body := statusFor(f.reason), explain(f)
	return fmt.Appendf(nil, "%s %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		proto, code, http.StatusText(code), len(body), body)
}
