package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/sasl"
	"github.com/tlslift/tlslift/proxy/signin"
)

// A SignIn is what a session needs to sign in for its client.
type SignIn struct {
	Keeper *signin.Keeper
	Tokens Tokens
	Client signin.Client
}

// Tokens gives the tokens that destinations take. The errors are *record.Failure.
type Tokens interface {
	// Token returns one that is good for a while.
	Token(ctx context.Context, id entra.Identity) (entra.Token, error)
	// Renew returns another one than that which a destination has refused.
	Renew(ctx context.Context, id entra.Identity, refused entra.Token) (entra.Token, error)
}

const (
	// maxLogins is how often a client may fail in one session: a little more than a
	// device tries by itself (RFC 4954 section 4).
	maxLogins = 3
	// maxLiteral bounds a login and a password in an IMAP literal.
	maxLiteral = 1 << 10
	// farewell is how long a client that is refused in the middle of a session may
	// take to read why.
	farewell = 2 * time.Second
)

// A login is the phase between negotiation and relay in which the client signs in
// here, and the session signs in for it at the destination.
type login struct {
	SignIn
	*client
	near, up *side

	user    string // of POP3 USER
	mailbox *signin.Mailbox
	seat    *signin.Session
	failed  int
	failure *record.Failure // the last one; nil if there is none
}

// run answers the client's commands until it has signed in; a command that the
// destination has not had is then pending. The error is a *record.Failure.
func (l *login) run(ctx context.Context) error {
	defer l.near.clear()
	defer l.up.clear()
	if l.phase == clientImplicitTLS {
		if err := l.greet(l.near); err != nil {
			return l.ended(err)
		}
	}
	line := l.pending // of a client without TLS
	l.pending = nil
	for range maxCommands {
		cmd := l.parse(trimEnd(line))
		if line == nil {
			var err error
			if cmd, line, err = l.next(l.near); err != nil {
				return l.ended(err)
			}
		}
		done, err := l.take(ctx, cmd, trimEnd(line))
		if done || err != nil {
			return err
		}
		line = nil
	}
	return l.ended(record.Fail(record.ReasonMalformedBeforeTLS, fmt.Errorf("more than %d commands before signing in", maxCommands)))
}

func trimEnd(line []byte) []byte { return []byte(strings.TrimRight(string(line), "\r\n")) }

// take answers one command. It reports whether the session is signed in.
func (l *login) take(ctx context.Context, cmd command, line []byte) (done bool, err error) {
	switch cmd.kind {
	case hello:
		r, err := l.hello(l.up, cmd)
		if err != nil {
			return false, err
		}
		return false, l.near.write(l.offerLogins(cmd, r, l.Keeper.ServesCRAM(l.Client)).bytes())
	case harmless:
		r, err := l.upstream.ask(l.up, cmd)
		if err != nil {
			return false, err
		}
		return false, l.near.write(l.offerLogins(cmd, r, l.Keeper.ServesCRAM(l.Client)).bytes())
	case quit:
		if r, err := l.upstream.ask(l.up, cmd); err == nil {
			_ = l.near.write(r.bytes()) // a client in a hurry does not wait for it
		}
		return false, l.ended(record.Fail(record.ReasonClosedBeforeTLS, io.EOF))
	case startTLS, badSyntax:
		return false, l.near.write([]byte(l.syntaxError(cmd)))
	}
	credential, is, err := l.credential(cmd, string(line))
	switch {
	case err != nil:
		return false, l.ended(err)
	case is && credential == nil: // there is more to come, or it was cancelled
		return false, nil
	case is:
		return l.signIn(ctx, cmd, *credential)
	}
	return l.takeOther(ctx, cmd, line)
}

// takeOther takes a command that needs a session that is signed in. A client that may
// send without a login is signed in for now.
func (l *login) takeOther(ctx context.Context, cmd command, line []byte) (done bool, err error) {
	mailbox := l.Keeper.Mapped(l.Client)
	if l.cfg.Protocol != record.ProtocolSMTP || mailbox == nil {
		if l.failure == nil && l.cfg.Protocol == record.ProtocolSMTP {
			l.failure = record.Fail(record.ReasonSMTPNotAuthenticated, fmt.Errorf("%s without signing in", cmd.verb))
		}
		if err := l.near.write([]byte(l.loginRequired(cmd))); err != nil || !cmd.unsafe {
			return false, err
		}
		return false, l.ended(record.Fail(record.ReasonClosedBeforeTLS, io.EOF))
	}
	if _, err := l.signInAs(ctx, mailbox); err != nil {
		return false, l.answer(cmd, err)
	}
	l.pending = append(line, "\r\n"...)
	return true, nil
}

// signIn checks what the client has typed and signs in for it.
func (l *login) signIn(ctx context.Context, cmd command, typed sasl.Credential) (done bool, err error) {
	var mailbox *signin.Mailbox
	if typed.Digest != "" {
		mailbox, err = l.Keeper.VerifyCRAM(ctx, l.Client, typed.Login, typed.Challenge, typed.Digest)
	} else {
		mailbox, err = l.Keeper.Verify(ctx, l.Client, typed.Login, typed.Password)
	}
	if err != nil {
		return false, l.answer(cmd, err)
	}
	r, err := l.signInAs(ctx, mailbox)
	if err != nil {
		return false, l.answer(cmd, err)
	}
	return true, l.near.write(l.signedIn(cmd, r))
}

// signInAs signs in at the destination. A token that it refuses is renewed once.
func (l *login) signInAs(ctx context.Context, m *signin.Mailbox) (reply, error) {
	seat, err := l.Keeper.Enter(ctx, m, l.Client)
	if err != nil {
		return reply{}, err
	}
	r, err := l.xoauth2(ctx, m)
	if err != nil {
		seat.Leave()
		return r, err
	}
	l.mailbox, l.seat, l.failure = m, seat, nil
	return r, nil
}

func (l *login) xoauth2(ctx context.Context, m *signin.Mailbox) (reply, error) {
	id := entra.Identity{Mailbox: m.Address, User: m.User, Delegated: m.Delegated, HVE: m.HVE, Protocol: l.cfg.Protocol}
	token, err := l.Tokens.Token(ctx, id)
	if err != nil {
		return reply{}, err
	}
	r, err := l.upstream.authenticate(l.up, m.Address, token.Value)
	if f := (*record.Failure)(nil); !errors.As(err, &f) || f.Reason != record.ReasonMailboxRefused {
		return r, err
	}
	another, renewErr := l.Tokens.Renew(ctx, id, token)
	switch {
	case renewErr != nil:
		return reply{}, renewErr
	case another.Value == token.Value: // it has been renewed a moment ago
		return r, err
	}
	token = another
	return l.upstream.authenticate(l.up, m.Address, token.Value)
}

// answer tells the client why it is not signed in. The session goes on, unless the
// client has failed too often or the destination has gone.
func (l *login) answer(cmd command, err error) error {
	var f *record.Failure
	if !errors.As(err, &f) {
		f = record.Fail(record.ReasonInternal, err)
	}
	if l.upstream.hasGone(f.Reason) {
		return f // the session ends with it
	}
	l.failure, l.failed = f, l.failed+1
	if err := l.near.write(l.refuseLogin(cmd, f)); err != nil {
		return l.ended(err)
	}
	if l.failed >= maxLogins {
		f.Replied = true
		return f
	}
	return nil
}

// hasGone reports whether a reason means that the destination's connection is of no use
// any more.
func (u *upstream) hasGone(r record.Reason) bool {
	switch r {
	case record.ReasonUpstreamClosed, record.ReasonUpstreamTimeout, record.ReasonUpstreamReplyMalformed,
		record.ReasonUpstreamReplyInjected, record.ReasonUpstreamRefusedSession:
		return true
	}
	return false
}

// ended is the end of a session by its client. Why it could not sign in is the reason,
// if it could not.
func (l *login) ended(err error) error {
	if l.failure == nil {
		return err
	}
	l.failure.Replied = true
	return l.failure
}

// credential reads what the client signs in with, if the command is one that signs in.
// It is nil when more is to come, or when the client has had an answer that it cannot be.
// The error is a *record.Failure: the client has gone.
func (l *login) credential(cmd command, line string) (typed *sasl.Credential, is bool, err error) {
	switch cmd.verb {
	case "AUTH", "AUTHENTICATE":
		if (cmd.verb == "AUTHENTICATE") != (l.cfg.Protocol == record.ProtocolIMAP) {
			return nil, false, nil
		}
		typed, err = l.exchange(cmd, line)
		return typed, true, err
	case "LOGIN":
		if l.cfg.Protocol != record.ProtocolIMAP {
			return nil, false, nil
		}
		typed, err = l.imapLogin(cmd, line)
		return typed, true, err
	case "USER", "PASS":
		if l.cfg.Protocol != record.ProtocolPOP3 {
			return nil, false, nil
		}
		typed, err = l.popLogin(cmd, line)
		return typed, true, err
	}
	return nil, false, nil
}

// exchange has the dialogue of a SASL mechanism (RFC 4954, 9051, 5034). The credential
// is nil if the client has cancelled it, or if it cannot be had.
func (l *login) exchange(cmd command, line string) (*sasl.Credential, error) {
	words := strings.Fields(strings.TrimPrefix(line, cmd.tag))
	mechanism, initial := "", []byte(nil)
	if len(words) > 1 {
		mechanism = upper(words[1])
	}
	e := sasl.NewExchange(mechanism)
	if e == nil || mechanism == sasl.CRAMMD5 && !l.Keeper.ServesCRAM(l.Client) {
		return nil, l.near.write([]byte(l.mechanismUnknown(cmd, l.Keeper.ServesCRAM(l.Client))))
	}
	var err error
	if len(words) > 2 {
		if initial, err = sasl.Decode(words[2]); err != nil {
			return nil, l.near.write([]byte(l.malformedLogin(cmd)))
		}
	}
	for response := initial; ; {
		challenge, done, err := e.Next(response)
		switch {
		case err != nil:
			return nil, l.near.write([]byte(l.malformedLogin(cmd)))
		case done:
			return &e.Credential, nil
		}
		if response, err = l.challenge(challenge); err != nil || response == nil {
			return nil, l.cancelled(cmd, err)
		}
	}
}

// errCancelled is a client's end of its own sign-in, and errEncoding one that is not
// base64.
var (
	errCancelled = errors.New("cancelled")
	errEncoding  = errors.New("not base64")
)

// challenge asks the client, and returns its response.
func (l *login) challenge(p []byte) ([]byte, error) {
	mark := "+ "
	if l.cfg.Protocol == record.ProtocolSMTP {
		mark = "334 "
	}
	if err := l.near.write([]byte(mark + sasl.Encode(p) + "\r\n")); err != nil {
		return nil, err
	}
	if err := l.near.begin(); err != nil {
		return nil, err
	}
	line, err := l.near.line()
	switch {
	case err != nil:
		return nil, err
	case string(line) == "*": // RFC 4954 section 4
		return nil, errCancelled
	}
	response, err := sasl.Decode(trim(string(line)))
	if err != nil {
		return nil, errEncoding
	}
	return response, nil
}

// cancelled answers an exchange that the client has not brought to its end.
func (l *login) cancelled(cmd command, err error) error {
	switch {
	case errors.Is(err, errCancelled), errors.Is(err, errEncoding):
		return l.near.write([]byte(l.malformedLogin(cmd)))
	}
	return err
}

// maySend asks whether a mail may pass, and waits for its turn. If not, the client reads
// why, and the session ends.
func (l *login) maySend(ctx context.Context) func(sender string) error {
	return func(sender string) error {
		err := l.seat.Mail(ctx, sender)
		var f *record.Failure
		if !errors.As(err, &f) {
			return err
		}
		f.Replied, l.failure = true, f
		if l.near.write(Refusal(l.cfg.Protocol, f)) == nil {
			_ = relay.CloseWrite(l.near.conn)
			if l.near.conn.SetReadDeadline(time.Now().Add(farewell)) == nil {
				_, _ = io.CopyN(io.Discard, l.near.conn, maxReply)
			}
		}
		return f
	}
}

// leave gives back what the session holds of the mailbox.
func (l *login) leave() {
	if l.seat != nil {
		l.seat.Leave()
	}
}
