package proxy

import (
	"context"
	"fmt"
	"time"

	"github.com/tlslift/tlslift/proxy/prologue"
)

// awaitsTLS says whether a mail client that has not got far is one that reads
// TLS and no text.
func (s *Server) awaitsTLS(c *client, f *failure) bool {
	if c.tunnel != nil && !c.tunnel.open {
		return true // it reads neither yet, but HTTP
	}
	switch f.reason {
	case ReasonNotTLS, ReasonCommandAfterStartTLS:
		return false // it speaks the plaintext protocol where TLS is due
	case ReasonTLSBeforeStartTLS:
		return true
	case ReasonHelloTimeout, ReasonTooManyConnections, ReasonTooManyFromClient:
		// Either it is in the middle of its hello, or it waits for a greeting.
		begun, err := c.tlsWithin(aMoment)
		return err == nil && begun
	}
	return c.scheme().implicitTLS() || c.mail != nil && c.mail.tlsNext
}

// answerInside tells a mail client that is at TLS what went wrong in the words
// of its own protocol: devices show those, and of a TLS alert only that there
// was one. It ends the client's TLS for that if need be. A client that was to
// be passed gets its alert: it trusts the destination and not us.
func (s *Server) answerInside(c *client, f *failure) bool {
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
		f.reply = nil // anybody could have said it: inside TLS it would pass for the destination's
	}
	// A client that went away meanwhile needs no answer.
	if _, err := c.inside.Write(mailRefusal(c.mail.Protocol, f)); err == nil {
		_ = c.inside.CloseWrite()
	}
	return true
}

// smtpStatus are the reply codes (RFC 5321 section 4.2.3) and enhanced status
// codes (RFC 3463) of a refusal. What is not here is the destination's fault,
// or the way's to it, and may pass: "421 4.4.1" lets a device try again.
var smtpStatus = map[Reason]string{
	ReasonTooManyConnections:    "421 4.3.2",
	ReasonTooManyFromClient:     "421 4.7.0",
	ReasonPlaintextNotAllowed:   "530 5.7.0",
	ReasonOpeningMalformed:      "500 5.5.2",
	ReasonCommandAfterStartTLS:  "503 5.5.1",
	ReasonNotTLS:                "530 5.7.0",
	ReasonHelloTimeout:          "421 4.4.2",
	ReasonIdleTimeout:           "421 4.4.2",
	ReasonInternal:              "421 4.3.0",
	ReasonCutOff:                "421 4.3.2",
	ReasonAddressForbidden:      "554 5.7.1",
	ReasonNoServerName:          "554 5.7.1",
	ReasonDestinationNotAllowed: "554 5.7.1",
	ReasonPortNotAllowed:        "554 5.7.1",
	ReasonDestinationIsSelf:     "554 5.4.6",
	ReasonRedirectLoop:          "554 5.4.6",
}

// mailRefusal is a refusal in the words of a mail protocol, before the
// connection is closed. The destination's own words go first.
func mailRefusal(p prologue.Protocol, f *failure) []byte {
	if f.reply != nil {
		return f.reply
	}
	status, known := smtpStatus[f.reason]
	if !known {
		status = "421 4.4.1"
	}
	text := fmt.Sprintf("%s (tlslift: %s)", f.reason.Cause(), f.reason)
	switch p {
	case prologue.SMTP:
		return fmt.Appendf(nil, "%s %s\r\n", status, text)
	case prologue.IMAP:
		return fmt.Appendf(nil, "* BYE %s%s\r\n", map[bool]string{true: "[UNAVAILABLE] "}[status[0] == '4'], text)
	}
	// RFC 3206: whether trying again may help.
	code := map[bool]string{true: "[SYS/TEMP]", false: "[SYS/PERM]"}[status[0] == '4']
	return fmt.Appendf(nil, "-ERR %s %s\r\n", code, text)
}
