package proxy

import (
	"context"
	"fmt"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// awaitsTLS says whether a mail client that has not got far is one that reads
// TLS and no text.
func (s *Server) awaitsTLS(c *client, f *record.Failure) bool {
	if c.tunnel != nil && !c.tunnel.open {
		return true // it reads neither yet, but HTTP
	}
	switch f.Reason {
	case record.ReasonNotTLS, record.ReasonCommandAfterStartTLS:
		return false // it speaks the plaintext protocol where TLS is due
	case record.ReasonTLSBeforeStartTLS:
		return true
	case record.ReasonHelloTimeout, record.ReasonTooManyConnections, record.ReasonTooManyFromClient:
		// Either it is in the middle of its hello, or it waits for a greeting.
		begun, err := c.tlsWithin(aMoment)
		return err == nil && begun
	}
	return c.scheme().ImplicitTLS() || c.mail != nil && c.mail.tlsNext
}

// answerInside tells a mail client that is at TLS what went wrong in the words
// of its own protocol: devices show those, and of a TLS alert only that there
// was one. It ends the client's TLS for that if need be. A client that was to
// be passed gets its alert: it trusts the destination and not us.
func (s *Server) answerInside(c *client, f *record.Failure) bool {
	if c.mail == nil || c.inside == nil && (!c.lifting || c.startedTLS) {
		return false
	}
	if c.inside == nil {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.HandshakeTimeout)
		defer cancel()
		if s.endClientTLS(ctx, c, nil, "") != nil {
			return true
		}
	}
	if c.SetWriteDeadline(time.Now().Add(lingerTime)) != nil {
		return true
	}
	if c.mail.secure == nil {
		f.Reply = nil // anybody could have said it: inside TLS it would pass for the destination's
	}
	// A client that went away meanwhile needs no answer.
	if _, err := c.inside.Write(mailRefusal(c.mail.Protocol, f)); err == nil {
		_ = c.inside.CloseWrite()
	}
	return true
}

// mailRefusal is a refusal in the words of a mail protocol, before the
// connection is closed. The destination's own words go first.
func mailRefusal(p record.Protocol, f *record.Failure) []byte {
	if f.Reply != nil {
		return f.Reply
	}
	status := f.Reason.SMTPStatus()
	text := fmt.Sprintf("%s (tlslift: %s)", f.Reason.Cause(), f.Reason)
	switch p {
	case record.ProtocolSMTP:
		return fmt.Appendf(nil, "%s %s\r\n", status, text)
	case record.ProtocolIMAP:
		return fmt.Appendf(nil, "* BYE %s%s\r\n", map[bool]string{true: "[UNAVAILABLE] "}[status[0] == '4'], text)
	}
	// RFC 3206: whether trying again may help.
	code := map[bool]string{true: "[SYS/TEMP]", false: "[SYS/PERM]"}[status[0] == '4']
	return fmt.Appendf(nil, "-ERR %s %s\r\n", code, text)
}
