package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/record"
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

// maxLogins is how often a client may fail in one session: a little more than a device
// tries by itself (RFC 4954 section 4).
const maxLogins = 3

// A login is the phase between negotiation and relay in which the client signs in
// here, and the session signs in for it at the destination.
type login struct {
	SignIn
	*client
	near, up *side

	user    string          // of POP3 USER
	mailbox *signin.Mailbox // that it may use; nil before
	seat    *signin.Session
	failed  int
	failure *record.Failure // the last one; nil if there is none
	left    bool            // the client has gone while it had to wait
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
		cmd := l.Parse(trimEnd(line))
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
func (l *login) take(ctx context.Context, cmd dialect.Command, line []byte) (done bool, err error) {
	switch cmd.Kind {
	case dialect.Hello, dialect.Harmless:
		return false, l.forward(cmd)
	case dialect.Quit:
		if r, err := l.upstream.ask(l.up, cmd); err == nil {
			_ = l.near.write(r.Bytes()) // a client in a hurry does not wait for it
		}
		return false, l.ended(record.Fail(record.ReasonClosedBeforeTLS, io.EOF))
	case dialect.StartTLS:
		return false, l.reject(cmd, l.StartTLSTooLate(cmd))
	case dialect.BadSyntax:
		return false, l.reject(cmd, l.SyntaxError(cmd))
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

// forward carries a command that is harmless and its reply.
func (l *login) forward(cmd dialect.Command) error {
	ask := l.upstream.ask
	if cmd.Kind == dialect.Hello {
		ask = l.hello
	}
	r, err := ask(l.up, cmd)
	if err != nil {
		return err
	}
	closes := l.noteRefusal(cmd, r)
	if err := l.near.write(l.OfferLogins(cmd, r, l.Keeper.ServesCRAM(l.Client)).Bytes()); err != nil || closes {
		return l.ended(err)
	}
	return nil
}

// takeOther takes a command that needs a session that is signed in. A client that may
// send without a login is signed in for when it begins a mail, and for nothing else: any
// other line may be what is left of its own sign-in.
func (l *login) takeOther(ctx context.Context, cmd dialect.Command, line []byte) (done bool, err error) {
	mailbox := l.Keeper.Mapped(l.Client)
	if cmd.Verb != "MAIL" || l.cfg.Protocol != record.ProtocolSMTP || mailbox == nil {
		switch {
		case l.cfg.Protocol == record.ProtocolSMTP:
			l.missed(record.ReasonSMTPNotAuthenticated, cmd.Shown()+" without signing in")
		case l.NeedsLogin(cmd):
			l.missed(record.ReasonSigninMissing, cmd.Verb+" without signing in")
		}
		return false, l.reject(cmd, l.LoginRequired(cmd))
	}
	l.left, err = l.near.attended(ctx, l.near.isDrained(), func(ctx context.Context) error {
		_, err := l.signInAs(ctx, mailbox)
		return err
	})
	if err != nil {
		return false, l.answer(cmd, err)
	}
	l.pending = append(line, "\r\n"...)
	return true, nil
}

// missed notes why a client has not signed in that has not tried to, unless it has failed.
func (l *login) missed(reason record.Reason, what string) {
	if l.failure == nil {
		l.failure = record.Fail(reason, errors.New(what))
	}
}

// signIn checks what the client has typed and signs in for it.
func (l *login) signIn(ctx context.Context, cmd dialect.Command, typed sasl.Credential) (done bool, err error) {
	var r dialect.Reply
	l.left, err = l.near.attended(ctx, l.near.isDrained(), func(ctx context.Context) error {
		mailbox, err := l.verify(ctx, typed)
		if err == nil {
			r, err = l.signInAs(ctx, mailbox)
		}
		return err
	})
	if err != nil {
		return false, l.answer(cmd, err)
	}
	return true, l.near.write(l.SignedIn(cmd, r))
}

func (s *SignIn) verify(ctx context.Context, typed sasl.Credential) (*signin.Mailbox, error) {
	if typed.Challenge != "" { // its digest may be missing
		return s.Keeper.VerifyCRAM(ctx, s.Client, typed.Login, typed.Challenge, typed.Digest)
	}
	return s.Keeper.Verify(ctx, s.Client, typed.Login, typed.Password)
}

// signInAs signs in at the destination. A token that it refuses is renewed once.
func (l *login) signInAs(ctx context.Context, m *signin.Mailbox) (dialect.Reply, error) {
	l.mailbox = m // also of a failure one wants to know whose it is
	seat, err := l.Keeper.Enter(ctx, m, l.Client)
	if errors.Is(err, errLeft) {
		err = record.Fail(record.ReasonMailboxBusy, fmt.Errorf("mailbox %s: %w", m.Address, err))
	}
	if err != nil {
		return dialect.Reply{}, err
	}
	r, err := l.xoauth2(ctx, m)
	if err != nil {
		seat.Leave()
		return r, err
	}
	l.seat, l.failure = seat, nil
	return r, nil
}

func (l *login) xoauth2(ctx context.Context, m *signin.Mailbox) (dialect.Reply, error) {
	id := entra.Identity{Mailbox: m.Address, User: m.User, Delegated: m.Delegated, HVE: m.HVE, Protocol: l.cfg.Protocol}
	token, err := l.Tokens.Token(ctx, id)
	if err != nil {
		return dialect.Reply{}, err
	}
	r, err := l.upstream.authenticate(l.up, m.Address, token.Value)
	if f := (*record.Failure)(nil); !errors.As(err, &f) || f.Reason != record.ReasonMailboxRefused {
		return r, err
	}
	another, renewErr := l.Tokens.Renew(ctx, id, token)
	switch {
	case renewErr != nil:
		return dialect.Reply{}, renewErr
	case another.Value == token.Value: // it has been renewed a moment ago
		return r, err
	}
	token = another
	return l.upstream.authenticate(l.up, m.Address, token.Value)
}

// answer tells the client why it is not signed in. The session goes on, unless the
// client has failed too often, or the answer closes it, or the destination has gone.
func (l *login) answer(cmd dialect.Command, err error) error {
	var f *record.Failure
	switch {
	case errors.As(err, &f):
		own := *f // others may have it too
		f = &own
	case l.left:
		f = record.Fail(record.ReasonClosedBeforeTLS, errLeft)
	default:
		f = record.Fail(record.ReasonInternal, err)
	}
	if l.left {
		f.Replied = true
		return f
	}
	if l.upstream.hasGone(f.Reason) {
		return f // the session ends with it
	}
	l.failure, l.failed = f, l.failed+1
	if err := l.near.write(l.RefuseLogin(cmd, f)); err != nil {
		return l.ended(err)
	}
	if l.failed >= maxLogins || l.cfg.Protocol == record.ProtocolSMTP && strings.HasPrefix(f.Reason.SMTPStatus(), "421") {
		f.Replied = true
		return f
	}
	return nil
}

// reject answers a command that is not taken. Where the next line may not be a command
// but the rest of this one, the session ends.
func (l *login) reject(cmd dialect.Command, text string) error {
	if err := l.near.write([]byte(text)); err != nil {
		return l.ended(err)
	}
	if !cmd.Unsafe {
		return nil
	}
	f := record.Fail(record.ReasonMalformedBeforeTLS, fmt.Errorf("what follows %s may be no command", cmd.Shown()))
	f.Replied = true
	return l.ended(f)
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

// ended is the end of a session before the client has signed in. Why it could not, or that
// the destination has rejected its EHLO, is the reason; if there is none of them, err is.
func (l *login) ended(err error) error {
	switch {
	case l.refusal != nil:
		return l.refusal
	case l.failure != nil:
		l.failure.Replied = true
		return l.failure
	}
	return err
}

// leave gives back what the session holds of the mailbox.
func (l *login) leave() {
	if l.seat != nil {
		l.seat.Leave()
	}
}
