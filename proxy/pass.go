package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/helloanswer"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/refusedhello"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A passer relays connections untouched.
type passer struct {
	refused *refusedhello.Memory
	timeout time.Duration
}

// personTimeout is how long a passed client may take for its part of a handshake: a
// person may have to find a smart card and to type its PIN. It is as long as a mail
// client has for a command.
const personTimeout = 5 * time.Minute

// pass replays the client's hello to the destination and, when that is
// answered, relays the bytes of both sides untouched. The error is helloanswer.ErrRefused
// if the client can still be lifted.
func (p *passer) pass(ctx context.Context, c *conn) error {
	if c.mail != nil && c.mail.IsSecured() {
		c.dropUpstream() // its TLS is ours; the client's own needs another
	}
	if err := c.reachUpstream(ctx); err != nil {
		return err
	}
	deadline := time.Now().Add(p.timeout)
	if err := c.out.conn.SetDeadline(deadline); err != nil {
		return record.Fail(record.ReasonUpstreamUnreachable, err)
	}
	answer, err := c.tryHello()
	if err != nil {
		return err
	}
	if err := p.checkAnswer(c, answer); err != nil {
		return err
	}
	c.rec.Outcome = record.OutcomePassed
	c.rec.BytesFromClient = int64(c.hello.Length)
	_, _ = c.Reader().Discard(c.hello.Length) // it is there
	return c.relay(c.Conn.Conn, c.out.conn, &relay.Handshake{
		ToClient: answer, ToUpstream: c.Take(),
		Deadline: deadline, Timeout: p.timeout, ClientTimeout: max(p.timeout, personTimeout),
		AnotherHello: c.hello.CheckAnother,
	}, clienttls.RelayFailure)
}

// reachUpstream makes the destination ready for TLS to begin.
func (c *conn) reachUpstream(ctx context.Context) error {
	if c.mail != nil {
		return c.mail.Reach(ctx)
	}
	_, err := c.out.Dial(ctx)
	return err
}

// tryHello sends the peeked hello and reads the beginning of the answer.
func (c *conn) tryHello() ([]byte, error) {
	raw, err := c.Reader().Peek(c.hello.Length)
	if err != nil {
		return nil, record.Fail(record.ReasonInternal, fmt.Errorf("peeking the hello again: %w", err))
	}
	return helloanswer.Ask(c.out.conn, raw, c.mail != nil && c.mail.UpstreamSTARTTLS())
}

// checkAnswer recognises a fatal alert in place of a ServerHello. A client that falls
// back must hear that it should not.
func (p *passer) checkAnswer(c *conn, answer []byte) error {
	refusal := helloanswer.Refusal(answer)
	switch {
	case refusal == nil:
		return nil
	case c.out.isLoop.Load():
		return record.Fail(record.ReasonRedirectLoop, nil) // it is our own alert
	case refusal.Alert() == helloanswer.AlertFallback && c.hello.HasFallbackSCSV() && !p.refused.HasOther(refusedKey(c), time.Now()):
		return record.Fail(record.ReasonInappropriateFallback, errors.New("the destination says so"))
	}
	c.isRefused = c.hello.RefusalCounts(refusal.Alert())
	return refusal
}

// bypass relays a connection that is out of scope untouched to its original
// address, as if it had not been redirected.
func (p *passer) bypass(ctx context.Context, c *conn) error {
	// The host of a destination is an address only here, where nothing is looked
	// up or verified by it.
	c.out.set(policy.Destination{Host: c.original.Addr().String(), Port: c.original.Port()})
	c.rec.Rule = record.RuleBypass
	if _, err := c.out.Dial(ctx); err != nil {
		return err
	}
	c.rec.Outcome = record.OutcomePassed
	return c.relay(c, c.out.conn, nil, clienttls.RelayFailure)
}
