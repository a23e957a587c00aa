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
	"github.com/tlslift/tlslift/proxy/record"
)

// answer tells a client that is refused, in its own protocol, while nothing
// has been relayed to it yet. Nobody is told when the client has gone, and no
// plaintext alert follows once our own handshake with it has begun.
func (s *Server) answer(c *client, f *record.Failure) {
	if c.rec.Outcome != "" || f.Reason.Silent() {
		return
	}
	if s.answerInside(c, f) || c.startedTLS || f.Replied {
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

// refusal is what to say to the client.
func (s *Server) refusal(c *client, f *record.Failure) []byte {
	var byDestination *refusedByAlert
	switch {
	case errors.As(f, &byDestination):
		return byDestination.answer
	case c.mailProtocol() != "" && c.hello == nil && !s.awaitsTLS(c, f):
		return mailRefusal(c.mailProtocol(), f)
	case f.Reason == record.ReasonHTTPOnTLSPort:
		return httpRefusal("HTTP/1.1", f)
	case c.listener.explicit == nil, f.Reason == record.ReasonTLSOnProxyPort, c.tunnel != nil && c.tunnel.open:
		return alertRecord(c.hello, f.Reason.Alert())
	case c.tunnel != nil:
		return httpRefusal(c.tunnel.proto, f)
	}
	return httpRefusal("HTTP/1.1", f)
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

// explain is the body of an HTTP refusal: what happened and what to change.
func explain(f *record.Failure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tlslift: %s\n%s\nReason: %s\n", f.Reason.Cause(), f.Reason.Remedy(), f.Reason)
	if f.Err != nil {
		fmt.Fprintf(&b, "Detail: %s\n", f.Err)
	}
	return b.String()
}

// httpRefusal is a whole HTTP response in the client's version.
func httpRefusal(proto string, f *record.Failure) []byte {
	code, body := f.Reason.HTTPStatus(), explain(f)
	return fmt.Appendf(nil, "%s %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		proto, code, http.StatusText(code), len(body), body)
}
