package proxy

import (
	"errors"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// relay relays until both sides have ended, counts the bytes, and returns how it ended,
// for relayFailure. A passed handshake comes first; nil means none.
func (c *conn) relay(client, destination net.Conn, handshake *relay.Handshake) error {
	c.Heard() // whoever has said nothing by now waits for the destination
	r := relay.Relay{Client: client, Upstream: destination, Idle: c.idleTimeout(), Handshake: handshake}
	r.Abort, r.AbortUpstream = c.abort, c.abortUpstream
	r.InTLS = c.rec.Outcome == record.OutcomeLifted
	fromClient, toClient, err := r.Run()
	c.isAlerted = r.ClientAlerted()
	c.rec.BytesFromClient += fromClient
	c.rec.BytesToClient += toClient
	return err
}

// idleTimeout returns how long the connection may be idle.
func (c *conn) idleTimeout() time.Duration {
	if c.rec.Protocol == record.ProtocolIMAP || mailInside(c) == record.ProtocolIMAP {
		return max(c.idle, c.imapIdle)
	}
	return c.idle
}

// relayFailure returns why a relay ended; nil for an ordinary end. That includes one
// after which nothing was expected: many clients keep connections open that they do not
// use.
func relayFailure(err error) error {
	reason := clienttls.AlertReason(err)
	var f *record.Failure
	switch {
	case reason != "":
		return record.Fail(reason, err)
	case errors.As(err, &f):
		return f
	case errors.Is(err, relay.ErrStuck):
		return record.Fail(record.ReasonIdleTimeout, err)
	case errors.Is(err, relay.ErrIdle), relay.Trouble(err) == nil:
		return nil
	}
	return record.Fail(record.ReasonRelayBroken, err)
}
