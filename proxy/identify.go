package proxy

import (
	"time"

	"github.com/tlslift/tlslift/proxy/proxyheader"
	"github.com/tlslift/tlslift/proxy/record"
)

// identify finds the address of a client of a trusted balancer. Its connection must
// begin with a PROXY protocol header (v1 or v2): were it optional, every client of the
// balancer could send one of its own.
func identify(c *conn, timeout time.Duration) error {
	c.rec.ByBalancer = true
	if err := c.closedOr(nil, timeout); err != nil {
		return err
	}
	header, err := proxyheader.Read(c.Conn, c.rec.Client)
	if err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	if header.IsLocal {
		return nil
	}
	c.rec.Client, c.rec.ByBalancer = header.Client, false
	if c.socket.url.Scheme.Transparent() {
		c.original, c.isFromHeader = header.Destination, true
	}
	return nil
}

// closedOr returns err, unless a balancer that has connected for itself closes within a
// time; the read deadline stays.
func (c *conn) closedOr(err error, wait time.Duration) error {
	if c.rec.ByBalancer && c.SetReadDeadline(time.Now().Add(wait)) == nil {
		if _, closed := c.Reader().Peek(1); closed != nil && readFailure(closed).Reason == record.ReasonClosedBeforeHello {
			return readFailure(closed)
		}
	}
	return err
}
