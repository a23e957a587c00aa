package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/dialogue"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/refusedhello"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A lifter ends the TLS of clients and relays to the destination's.
type lifter struct {
	tls     *clienttls.Server
	refused *refusedhello.Memory
}

// lift opens verified TLS to the destination, ends the client's TLS with a
// leaf that has the SANs of the destination's certificate, and relays between the
// two.
func (l *lifter) lift(ctx context.Context, c *conn) error {
	c.isLifting = true
	if err := c.secureUpstream(ctx); err != nil {
		return err
	}
	upstream := c.out.secure.Conn.(*tls.Conn).ConnectionState() // not kept: an idle connection is open for days
	err := l.endTLS(ctx, c, &upstream)
	l.learn(c, err)
	if err != nil {
		return err
	}
	if c.mail != nil {
		return l.relayMail(ctx, c, c.inside)
	}
	c.rec.Outcome = record.OutcomeLifted
	return l.relayInside(c)
}

// learn remembers a hello that the destination has refused once its client has let
// itself be lifted, and forgets it when a client with the same hello does not: that one
// may be another program, which does not trust us.
func (l *lifter) learn(c *conn, err error) {
	switch {
	case err == nil && c.isRefused:
		l.refused.Add(refusedKey(c), time.Now())
	case err != nil && c.decision.Rule == record.RuleDestinationRefused:
		l.refused.Forget(refusedKey(c))
	}
}

// relayInside relays between the client's TLS and the destination's. Most of what is
// inside is HTTP, where an idle connection may end in whatever way.
func (l *lifter) relayInside(c *conn) error {
	protocol := mailInside(c)
	if protocol != "" {
		c.rec.Protocol = protocol
	}
	watched := dialogue.New(cmp.Or(protocol, record.ProtocolHTTP), true)
	return c.relay(watched.Client(c.inside), watched.Destination(c.out.secure), nil, func(err error) error {
		if protocol == "" && errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, relay.ErrNoCloseNotify) {
			return clienttls.RelayFailure(err) // in the middle of a record
		}
		return ended(c, watched.Finding(errors.Is(err, relay.ErrIdle)), err)
	})
}

// liftRefused lifts a client whose passed hello was refused. One that cannot
// be lifted gets the destination's own alert.
func (l *lifter) liftRefused(ctx context.Context, c *conn, refusal error) error {
	c.dropUpstream()
	if err := c.SetDeadline(time.Time{}); err != nil {
		return record.Fail(record.ReasonClientClosed, err)
	}
	c.rec.Rule = record.RuleDestinationRefused
	if c.decision.Stack == decide.NoStack {
		return record.Fail(record.ReasonUpstreamRefusedHello, refusal)
	}
	return l.lift(ctx, c)
}

// secureUpstream opens the destination's TLS, unless it is open, offering what the
// client offered through ALPN.
func (c *conn) secureUpstream(ctx context.Context) error {
	c.out.alpn = c.alpn()
	if c.mail != nil {
		return c.mail.Secure(ctx)
	}
	if _, err := c.out.Dial(ctx); err != nil {
		return err
	}
	_, err := c.out.Handshake(ctx)
	return err
}

// alpn returns what to offer upstream. HTTP/2 forbids what most lifted clients
// speak (RFC 9113 section 9.2), so "h2" is left out for them.
func (c *conn) alpn() []string {
	if c.decision.Capable() {
		return c.hello.ALPN
	}
	return slices.DeleteFunc(slices.Clone(c.hello.ALPN), func(p string) bool { return p == "h2" })
}

// endTLS does the handshake with the client. Upstream is the destination's TLS,
// nil if there is none.
func (l *lifter) endTLS(ctx context.Context, c *conn, upstream *tls.ConnectionState) error {
	client := clienttls.Client{
		Hello: c.hello, Stack: c.decision.Stack, Legacy: c.legacy, Address: c.rec.Client, Options: c.options,
		Host: c.out.destination.Host, Destination: c.out.destination.String(), Upstream: upstream,
		Turn: c.out.turn,
	}
	leaf, err := l.tls.Leaf(client)
	if err != nil {
		return err
	}
	c.startedTLS = true
	// A cut-off at shutdown resets the connection, which ends the handshake. The
	// handshake itself would close it: a client that has completed it already would
	// take that for an orderly end.
	inside, err := l.tls.Handshake(context.WithoutCancel(ctx), c.Conn, client, leaf)
	if err != nil {
		return err
	}
	c.inside, c.rec.ClientTLS = inside, inside.Handshake()
	return nil
}

// liftPlaintext goes on with a mail client that does without TLS.
func (l *lifter) liftPlaintext(ctx context.Context, c *conn) error {
	c.rec.Rule = record.RulePlaintext
	return l.relayMail(ctx, c, c)
}

// relayMail relays a mail session between the client, inside its TLS if it has
// any, and the destination's TLS.
func (l *lifter) relayMail(ctx context.Context, c *conn, client net.Conn) error {
	down, up, sent, err := c.mail.Resume(ctx, client)
	c.rec.Mailbox, c.rec.Login = c.mail.Mailbox()
	if err != nil {
		f := asFailure(err)
		if f.Reason != record.ReasonClosedBeforeTLS && f.Reason != record.ReasonRelayBroken {
			return f
		}
		// A client that closes after its handshake is an ordinary end.
		c.rec.Outcome = record.OutcomeLifted
		return clienttls.RelayFailure(f.Err)
	}
	c.rec.Outcome = record.OutcomeLifted
	c.rec.BytesFromClient = sent
	return c.relay(down, up, nil, func(err error) error {
		return ended(c, c.mail.Finding(errors.Is(err, relay.ErrIdle)), err)
	})
}

// ended notes what was found in a relay whose session was watched, and returns why it did
// not end well; nil if it did.
func ended(c *conn, found dialogue.Finding, err error) error {
	c.rec.SMTPReplies, c.rec.SMTPReply, c.rec.Accepted = found.Replies, found.Negative, found.Accepted
	return found.End(clienttls.RelayFailure(found.Settled(err)))
}
