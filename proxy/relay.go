package proxy

import (
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// relay has everything ready to relay: that begins when handle has returned. A passed
// handshake comes first; nil means none. Judge says what the error of the relay means.
func (c *conn) relay(client, destination net.Conn, handshake *relay.Handshake, judge func(error) error) error {
	c.Heard()                     // whoever has said nothing by now waits for the destination
	c.judge, c.hello = judge, nil // a connection may be open for days
	c.relaying.Store(&relay.Relay{
		Client: client, Upstream: destination, Idle: c.idleTimeout(), Handshake: handshake, InTLS: c.rec.Outcome == record.OutcomeLifted,
	})
	return nil
}

// relayed notes what was relayed, and returns what its error means.
func (c *conn) relayed(fromClient, toClient int64, err error) error {
	c.isAlerted = c.relaying.Load().ClientAlerted()
	c.rec.BytesFromClient += fromClient
	c.rec.BytesToClient += toClient
	return c.judge(err)
}

// idleTimeout returns how long the connection may be idle.
func (c *conn) idleTimeout() time.Duration {
	if c.rec.Protocol == record.ProtocolIMAP || mailInside(c) == record.ProtocolIMAP {
		return max(c.idle, c.imapIdle)
	}
	return c.idle
}
