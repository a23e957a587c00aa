package proxy

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/helloanswer"
	"github.com/tlslift/tlslift/proxy/httpproxy"
	"github.com/tlslift/tlslift/proxy/mail"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A refuser answers clients that are refused, in their own protocol.
type refuser struct {
	lifter     *lifter
	timeout    time.Duration
	maxLeaving int          // how many clients have time to read their answer
	leaving    atomic.Int32 // those that do, and those that got none
}

// refuse answers a client that is refused, while nothing has been relayed to it yet, and
// waits until the answer has arrived. When too many are refused, it takes no time for that:
// they have no place in the limits any more, so a flood of them must not pile up.
func (r *refuser) refuse(c *conn, f *record.Failure) {
	defer r.leaving.Add(-1)
	hasTime := int(r.leaving.Add(1)) <= r.maxLeaving
	if (c.isAlerted || r.reply(c, f, hasTime)) && hasTime {
		c.Linger()
	}
}

// letRead waits until the client has what was sent to it, unless too many are waited for.
func (r *refuser) letRead(c *conn) {
	defer r.leaving.Add(-1)
	if int(r.leaving.Add(1)) <= r.maxLeaving {
		c.Linger()
	}
}

// reply says why a client is refused, and reports whether something was sent. Nothing is
// when the client has closed, and no plaintext alert follows once our own handshake with it
// has begun.
func (r *refuser) reply(c *conn, f *record.Failure, hasTime bool) bool {
	if c.rec.Outcome != "" || f.Reason.Silent() {
		return false
	}
	if f.Replied && c.inside != nil {
		_ = c.inside.CloseNotify()
	}
	if f.Replied || hasTime && r.refuseInside(c, f) || c.startedTLS {
		return true
	}
	if c.SetWriteDeadline(time.Now().Add(relay.LingerTime)) != nil {
		return false
	}
	_, err := c.Write(r.refusal(c, f))
	return err == nil
}

// refuseInside answers a mail client that is at TLS in the words of its own
// protocol: devices show those, and of a TLS alert only that there was one. It
// ends the client's TLS for that if need be. A client that was to be passed gets
// its alert, as everybody does when there is too much to compute: it trusts the destination and not us.
func (r *refuser) refuseInside(c *conn, f *record.Failure) bool {
	if c.mail == nil || c.inside == nil && (!c.isLifting || c.startedTLS || f.Reason == record.ReasonOverloaded) {
		return false
	}
	if c.inside == nil {
		ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
		defer cancel()
		if r.lifter.endTLS(ctx, c, nil) != nil {
			return true
		}
	}
	if c.SetWriteDeadline(time.Now().Add(relay.LingerTime)) != nil {
		return true
	}
	if !c.mail.IsSecured() {
		f.Reply = nil // anybody could have sent it: inside TLS it would pass for the destination's
	}
	// A client that has closed meanwhile needs no answer.
	if _, err := c.inside.Write(mail.Refusal(c.mail.Protocol, f)); err == nil {
		_ = c.inside.CloseNotify()
	}
	return true
}

// refusal returns what to send to the client.
func (r *refuser) refusal(c *conn, f *record.Failure) []byte {
	var byDestination *helloanswer.AlertError
	switch {
	case errors.As(f, &byDestination):
		return byDestination.Answer
	case f.Reason == record.ReasonSOCKSOnProxyPort:
		first, _ := c.Reader().Peek(1) // it is there
		return httpproxy.SOCKSRefusal(first[0])
	case c.mailProtocol() != "" && c.hello == nil && !r.readsTLS(c, f):
		return mail.Refusal(c.mailProtocol(), f)
	case f.Reason == record.ReasonHTTPOnTLSPort:
		return httpproxy.Refusal("HTTP/1.1", f)
	case c.socket.http == nil, f.Reason == record.ReasonTLSOnProxyPort, c.tunnel != nil && c.tunnel.IsOpen:
		return clienttls.AlertRecord(c.hello, cmp.Or(f.Alert, f.Reason.Alert()))
	case c.tunnel != nil:
		return httpproxy.Refusal(c.tunnel.Proto, f)
	}
	return httpproxy.Refusal("HTTP/1.1", f)
}

// aMoment is enough to see what has arrived already.
const aMoment = time.Millisecond

// readsTLS reports whether a mail client that has not got far is one that reads
// TLS and no text.
func (r *refuser) readsTLS(c *conn, f *record.Failure) bool {
	if c.tunnel != nil && !c.tunnel.IsOpen {
		return true // it reads neither yet, but HTTP
	}
	switch f.Reason {
	case record.ReasonNotTLS, record.ReasonCommandAfterStartTLS:
		return false // it speaks the plaintext protocol where TLS is due
	case record.ReasonTLSBeforeStartTLS:
		return true
	case record.ReasonHelloTimeout, record.ReasonTooManyConnections, record.ReasonTooManyFromClient:
		// Either it is in the middle of its hello, or it waits for a greeting.
		begun, err := clienthello.BeginsWithin(c.Conn.Conn, c.Reader(), aMoment)
		return err == nil && begun
	}
	return c.scheme().ImplicitTLS() || c.mail != nil && c.mail.AwaitsClientHello()
}
