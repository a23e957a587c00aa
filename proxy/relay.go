package proxy

import (
	"errors"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// relay relays until both sides have ended, and counts the bytes. A passed handshake
// comes first; nil means none.
func (c *conn) relay(client, destination net.Conn, idle time.Duration, handshake *relay.Handshake) error {
	r := relay.Relay{Client: client, Upstream: destination, Idle: idle, Abort: c.abort, Handshake: handshake}
	r.InTLS = c.rec.Outcome == record.OutcomeLifted
	fromClient, toClient, err := r.Run()
	c.rec.BytesFromClient += fromClient
	c.rec.BytesToClient += toClient
	return relayFailure(err)
}

// relayFailure returns why a relay ended; nil for an ordinary end.
func relayFailure(err error) error {
	reason := clienttls.AlertReason(err)
	var f *record.Failure
	switch {
	case reason != "":
		return record.Fail(reason, err)
	case errors.As(err, &f):
		return f
	case errors.Is(err, relay.ErrIdle):
		return record.Fail(record.ReasonIdleTimeout, err)
	case relay.Trouble(err) == nil:
		return nil
	}
	return record.Fail(record.ReasonRelayBroken, err)
}
