package proxy

import (
	"errors"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// relay relays until both sides have ended, and counts the bytes.
func (c *conn) relay(client, destination net.Conn, idle time.Duration) error {
	r := relay.Relay{Client: client, Upstream: destination, Idle: idle, InTLS: c.rec.Outcome == record.OutcomeLifted, Abort: c.abort}
	fromClient, toClient, err := r.Run()
	c.rec.BytesFromClient += fromClient
	c.rec.BytesToClient += toClient
	return relayFailure(err)
}

// relayFailure returns why a relay ended; nil for an ordinary end.
func relayFailure(err error) error {
	reason := clienttls.AlertReason(err)
	var cut *relay.CutOffError
	switch {
	case reason != "":
		return record.Fail(reason, err)
	case errors.As(err, &cut):
		return record.Fail(cut.Reason(), err)
	case errors.Is(err, relay.ErrIdle):
		return record.Fail(record.ReasonIdleTimeout, err)
	case relay.Trouble(err) == nil:
		return nil
	}
	return record.Fail(record.ReasonRelayBroken, err)
}
