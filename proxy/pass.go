package proxy

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// errHelloRefused says that the destination answered a passed hello with a
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
	alertRecordTotal    = recordHeaderLen + alertLen
)

// pass replays the client's hello to the destination and, when that is
// answered, relays the bytes of both sides untouched.
func (s *Server) pass(ctx context.Context, c *client) error {
	if c.mail != nil && c.mail.secure != nil {
		c.dropUpstream() // its TLS is ours; the client's own needs another
	}
	if err := s.reach(ctx, c); err != nil {
		return err
	}
	if err := c.setDeadlines(time.Now().Add(s.cfg.HandshakeTimeout)); err != nil {
		return record.Fail(record.ReasonUpstreamUnreachable, err)
	}
	answer, err := s.tryHello(c)
	if err != nil {
		return err
	}
	if err := s.refusedHello(c, answer); err != nil {
		return err
	}
	c.rec.Outcome = record.OutcomePassed
	early := c.buffered()[c.hello.Length:]
	if err := c.exchange(answer, early); err != nil {
		return relayFailure(c.rec, err)
	}
	c.rec.BytesFromClient = int64(c.hello.Length + len(early))
	c.rec.BytesToClient = int64(len(answer))
	return s.relayBetween(c, c.Conn, c.upstream)
}

// setDeadlines bounds reads and writes of both sides; zero removes the bounds.
func (c *client) setDeadlines(t time.Time) error {
	return errors.Join(c.SetDeadline(t), c.upstream.SetDeadline(t))
}

// exchange gives each side what was read of the other before the relay.
func (c *client) exchange(toClient, toUpstream []byte) error {
	if _, err := c.Write(toClient); err != nil {
		return err
	}
	if _, err := c.upstream.Write(toUpstream); err != nil {
		return err
	}
	return c.setDeadlines(time.Time{})
}

// tryHello sends the peeked hello and reads the beginning of the answer: the
// first record's header, and the alert when it is one.
func (s *Server) tryHello(c *client) ([]byte, error) {
	raw, err := c.reader.Peek(c.hello.Length)
	if err != nil {
		return nil, record.Fail(record.ReasonInternal, fmt.Errorf("peeking the hello again: %w", err))
	}
	if _, err := c.upstream.Write(raw); err != nil {
		return nil, answerFailure(err)
	}
	answer := make([]byte, alertRecordTotal)
	n, err := io.ReadFull(c.upstream, answer[:recordHeaderLen])
	if err == nil && answer[0] == recordTypeAlert {
		var more int
		more, err = io.ReadFull(c.upstream, answer[recordHeaderLen:])
		n += more
	}
	switch {
	case err != nil:
		return nil, answerFailure(err)
	case answer[0] == recordTypeAlert, answer[0] == recordTypeHandshake:
		return answer[:n], nil
	case c.mail != nil && c.mail.started:
		return nil, record.Fail(record.ReasonUpstreamReplyInjected, errors.New("what comes after STARTTLS is not TLS"))
	}
	return nil, record.Fail(record.ReasonUpstreamHandshakeFailed, errors.New("what comes in the place of a ServerHello is not TLS"))
}

// answerFailure classifies a hello that got no answer. Some servers refuse by
// closing or resetting without an alert.
func answerFailure(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return record.Fail(record.ReasonUpstreamTimeout, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isReset(err):
		return fmt.Errorf("%w: %w", errHelloRefused, err)
	}
	return record.Fail(record.ReasonUpstreamUnreachable, err)
}

// refusedHello recognises a fatal alert in place of a ServerHello and
// remembers who refused what.
func (s *Server) refusedHello(c *client, answer []byte) error {
	if len(answer) < alertRecordTotal || answer[recordHeaderLen] != alertLevelFatal {
		return nil
	}
	if c.looped.Load() {
		return record.Fail(record.ReasonRedirectLoop, nil) // it is our own alert
	}
	s.refusals.add(c.refusalKey(), time.Now())
	return &refusedByAlert{answer: answer}
}

// A refusedByAlert is an errHelloRefused that still has the alert, in case
// the client must be told after all.
type refusedByAlert struct{ answer []byte }

func (e *refusedByAlert) Error() string {
	return fmt.Sprintf("%v with alert %s", errHelloRefused, hex.EncodeToString(e.answer[recordHeaderLen:]))
}

func (e *refusedByAlert) Unwrap() error { return errHelloRefused }

// liftAfterAll lifts a client whose passed hello was refused. One that cannot
// be lifted gets the destination's own alert.
func (s *Server) liftAfterAll(ctx context.Context, c *client, refusal error) error {
	c.dropUpstream()
	if err := c.SetDeadline(time.Time{}); err != nil {
		return record.Fail(record.ReasonClientClosed, err)
	}
	c.rec.Rule = record.RuleDestinationRefused
	if reason := unservable(c.hello, s.weak(c)); reason != "" {
		return record.Fail(record.ReasonUpstreamRefusedHello, refusal)
	}
	return s.lift(ctx, c)
}
