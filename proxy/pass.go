package proxy

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

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

// errHelloRefused means that the destination answered a passed hello with a
// fatal alert, or closed, before any ServerHello: the client has seen nothing
// yet and can still be lifted.
var errHelloRefused = errors.New("the destination refused the client's hello")

// TLS record framing (RFC 5246 section 6.2.1).
const (
	recordHeaderLen     = 5
	recordTypeHandshake = 22
	recordTypeAlert     = 21
	alertLen            = 2
	alertLevelFatal     = 2
	alertFallback       = 86 // inappropriate_fallback (RFC 7507)
	alertRecordTotal    = recordHeaderLen + alertLen
)

// pass replays the client's hello to the destination and, when that is
// answered, relays the bytes of both sides untouched. The error is errHelloRefused
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
	return relayFailure(c.relay(c.Conn.Conn, c.out.conn, &relay.Handshake{
		ToClient: answer, ToUpstream: c.Take()[c.hello.Length:],
		Deadline: deadline, Timeout: p.timeout, ClientTimeout: max(p.timeout, personTimeout),
		AnotherHello: c.hello.CheckAnother,
	}))
}

// reachUpstream makes the destination ready for TLS to begin.
func (c *conn) reachUpstream(ctx context.Context) error {
	if c.mail != nil {
		return c.mail.Reach(ctx)
	}
	_, err := c.out.Dial(ctx)
	return err
}

// tryHello sends the peeked hello and reads the beginning of the answer: the
// first record's header, and the alert when it is one.
func (c *conn) tryHello() ([]byte, error) {
	raw, err := c.Reader().Peek(c.hello.Length)
	if err != nil {
		return nil, record.Fail(record.ReasonInternal, fmt.Errorf("peeking the hello again: %w", err))
	}
	if _, err := c.out.conn.Write(raw); err != nil {
		return nil, answerFailure(err)
	}
	answer := make([]byte, alertRecordTotal)
	n, err := io.ReadFull(c.out.conn, answer[:recordHeaderLen])
	if err == nil && answer[0] == recordTypeAlert {
		var more int
		more, err = io.ReadFull(c.out.conn, answer[recordHeaderLen:])
		n += more
	}
	switch {
	case err != nil:
		return nil, answerFailure(err)
	case answer[0] == recordTypeAlert, answer[0] == recordTypeHandshake:
		return answer[:n], nil
	case c.mail != nil && c.mail.UpstreamSTARTTLS():
		return nil, record.Fail(record.ReasonUpstreamReplyInjected, errors.New("what comes after STARTTLS is not TLS"))
	}
	return nil, record.Fail(record.ReasonUpstreamHandshakeFailed, errors.New("what comes in the place of a ServerHello is not TLS"))
}

// answerFailure returns why a hello got no answer. Some servers refuse by closing
// or resetting without an alert.
func answerFailure(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return record.Fail(record.ReasonUpstreamTimeout, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), relay.IsReset(err):
		return fmt.Errorf("%w: %w", errHelloRefused, err)
	}
	return record.Fail(record.ReasonUpstreamUnreachable, err)
}

// checkAnswer recognises a fatal alert in place of a ServerHello. A client that falls
// back must hear that it should not.
func (p *passer) checkAnswer(c *conn, answer []byte) error {
	if len(answer) < alertRecordTotal || answer[recordHeaderLen] != alertLevelFatal {
		return nil
	}
	if c.out.isLoop.Load() {
		return record.Fail(record.ReasonRedirectLoop, nil) // it is our own alert
	}
	if answer[alertRecordTotal-1] == alertFallback && c.hello.HasFallbackSCSV() && !p.refused.HasOther(refusedKey(c), time.Now()) {
		return record.Fail(record.ReasonInappropriateFallback, errors.New("the destination says so"))
	}
	c.isRefused = c.hello.RefusalCounts(answer[alertRecordTotal-1])
	return &alertError{answer: answer}
}

// An alertError is an errHelloRefused that still has the alert, in case the client
// must get it after all.
type alertError struct{ answer []byte }

func (e *alertError) Error() string {
	return fmt.Sprintf("%v with alert %s", errHelloRefused, hex.EncodeToString(e.answer[recordHeaderLen:]))
}

func (e *alertError) Unwrap() error { return errHelloRefused }

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
	return relayFailure(c.relay(c, c.out.conn, nil))
}
