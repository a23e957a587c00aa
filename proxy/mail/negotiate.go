package mail

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A clientPhase is where the client's side of a session is.
type clientPhase uint8

const (
	clientNew         clientPhase = iota // nothing has been sent or read
	clientGreeted                        // it has the greeting, and negotiates
	clientSTARTTLS                       // its next byte is TLS, after STARTTLS
	clientImplicitTLS                    // it began with TLS
	clientPlaintext                      // it goes on without TLS
)

// A client is the client's side of a session.
type client struct {
	cfg *Config
	dialect.Dialect
	upstream *upstream
	phase    clientPhase
	inside   *relay.Conn // what is inside its TLS; nil until it is read
	deadline time.Time   // of what it says before TLS
	spoke    bool        // before its greeting, or it began TLS in the place of its first command
	commands bool        // its first words after the greeting were a command
	rejected int         // how often it was told to use TLS
	pending  []byte      // a command that the destination has not had
	// refusal is the destination's rejection of the client's EHLO, which is why the
	// client leaves; nil if there is none.
	refusal *record.Failure
}

// beginsTLS reports whether the client begins with TLS within a time.
func (c *client) beginsTLS(wait time.Duration) (bool, error) {
	begun, err := clienthello.BeginsWithin(c.cfg.Client.Conn, c.cfg.Client.Reader(), wait)
	if err != nil {
		return false, record.Fail(record.ReasonClosedBeforeHello, err)
	}
	if begun {
		c.phase = clientImplicitTLS
	}
	c.spoke = c.cfg.Client.Buffered() > 0
	return begun, nil
}

// negotiate gives the client its greeting and carries its commands until TLS
// comes next, or until a client that may do without TLS sends the first command
// that needs TLS; that command is then pending.
func (c *client) negotiate() error {
	client, up := c.side(), c.upstream.side()
	defer client.clear()
	defer up.clear()
	if err := c.greet(client); err != nil {
		return err
	}
	for n := range maxCommands {
		cmd, line, err := c.next(client)
		c.noteBeginning(n, cmd, err)
		if err != nil {
			return c.closedAfter(n, err)
		}
		switch cmd.Kind {
		case dialect.StartTLS:
			return c.startTLS(client, up, cmd)
		case dialect.Quit:
			return c.quit(client, up, cmd)
		case dialect.Harmless, dialect.Hello:
			err = c.forward(client, up, cmd)
		case dialect.BadSyntax:
			err = c.rejectSyntax(client, cmd)
		case dialect.Other:
			if c.cfg.Plaintext {
				c.phase, c.pending = clientPlaintext, append(line, "\r\n"...)
				return c.upstream.introduce(up)
			}
			err = c.reject(client, cmd)
		}
		if err != nil {
			return err
		}
	}
	return c.closedAfter(maxCommands,
		record.Fail(record.ReasonMalformedBeforeTLS, fmt.Errorf("more than %d commands before TLS", maxCommands)))
}

// noteBeginning notes what the client has said after its greeting, if it has said nothing
// before: so many commands.
func (c *client) noteBeginning(n int, cmd dialect.Command, err error) {
	switch {
	case n > 0 || c.spoke:
	case err != nil:
		var f *record.Failure
		c.spoke = errors.As(err, &f) && f.Reason == record.ReasonTLSBeforeStartTLS
	case cmd.Kind == dialect.Other:
		c.commands = c.cfg.Plaintext // it may be anything otherwise
	default:
		c.commands = cmd.Kind != dialect.BadSyntax
	}
}

// greet sends the client the greeting, unless it has had one.
func (c *client) greet(client *side) error {
	if c.phase == clientGreeted || c.phase == clientSTARTTLS {
		return nil
	}
	if c.phase == clientNew {
		c.phase = clientGreeted
	}
	return client.write(c.AdaptGreeting(c.upstream.greeting, c.upstream.phase == upstreamSecured).Bytes())
}

// next reads the client's next command.
func (c *client) next(client *side) (dialect.Command, []byte, error) {
	if err := client.begin(); err != nil {
		return dialect.Command{}, nil, err
	}
	if err := client.checkFirstByte(); err != nil {
		return dialect.Command{}, nil, err
	}
	raw, err := client.line()
	hasNUL := errors.Is(err, errNUL)
	if err != nil && !hasNUL {
		return dialect.Command{}, nil, err
	}
	line := append([]byte(nil), raw...)
	switch text := string(line); {
	case strings.HasPrefix(text, "PROXY "):
		return dialect.Command{}, nil, errProxyHeader()
	case strings.Contains(text, " HTTP/"):
		return dialect.Command{}, nil, record.Fail(record.ReasonMalformedBeforeTLS, errors.New("an HTTP request in the place of a command"))
	}
	cmd := c.Parse(line)
	switch {
	case hasNUL && cmd.Unsafe:
		return dialect.Command{}, nil, err
	case hasNUL:
		cmd.Kind, cmd.Verb = dialect.BadSyntax, ""
	}
	return cmd, line, nil
}

// proxyV2 begins a PROXY protocol header of version 2.
const proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"

func errProxyHeader() error {
	return record.Fail(record.ReasonProxyHeaderUntrusted, errors.New("a PROXY protocol header in the place of a command"))
}

// checkFirstByte finds what has no end of line to wait for: a ClientHello, and a
// binary PROXY header.
func (s *side) checkFirstByte() error {
	first, err := s.reader.Peek(1)
	if err != nil {
		return s.readError(err)
	}
	early, _ := s.reader.Peek(min(s.reader.Buffered(), len(proxyV2))) // cannot fail
	switch {
	case clienthello.BeginsTLS(first[0]):
		return record.Fail(record.ReasonTLSBeforeStartTLS, errors.New("TLS in the place of a command"))
	case string(early) == proxyV2:
		return errProxyHeader()
	}
	return nil
}

// startTLS answers STARTTLS. Whatever the client's side has sent after it
// came too early, and who sent it is unknown.
func (c *client) startTLS(client, up *side, cmd dialect.Command) error {
	if !client.isDrained() {
		return record.Fail(record.ReasonCommandAfterStartTLS, fmt.Errorf("%d bytes follow %s", client.reader.Buffered(), cmd.Verb))
	}
	answer := []byte(c.GoAhead(cmd))
	if c.upstream.phase != upstreamSecured {
		r, err := c.upstream.beginTLS(up, cmd)
		if err != nil {
			return err
		}
		answer = r.Bytes()
	}
	c.phase = clientSTARTTLS
	return client.write(answer)
}

// forward carries a command that is harmless and its reply. A client that has
// to use TLS is not shown how to sign in without it, whatever the destination
// offers: it would send its password unprotected, only to be rejected.
func (c *client) forward(client, up *side, cmd dialect.Command) error {
	r, err := c.upstream.ask(up, cmd)
	if err != nil {
		return err
	}
	shown := r
	if sign := c.cfg.SignIn; sign != nil && c.cfg.Plaintext {
		shown = c.OfferLogins(cmd, r, sign.Keeper.ServesCRAM(sign.Client))
	}
	err = client.write(c.Adapt(cmd, shown, c.cfg.Plaintext).Bytes())
	if closes := c.noteRefusal(cmd, r); closes {
		return c.refusal // whatever the client does next
	}
	return err
}

// noteRefusal notes whether the destination has rejected the client's EHLO, and reports
// whether it closes the session with its reply; the refusal is then set.
func (c *client) noteRefusal(cmd dialect.Command, r dialect.Reply) (closes bool) {
	closes = c.Closes(r)
	if cmd.Kind == dialect.Hello || closes {
		c.refusal = nil
		if !r.OK {
			c.refusal = rejection(r.Bytes())
			c.refusal.Replied = true
		}
	}
	return closes
}

// reject answers a command that needs TLS. Where the next line may not be
// a command but the rest of this one, the session ends.
func (c *client) reject(client *side, cmd dialect.Command) error {
	c.rejected++
	if err := client.write([]byte(c.NoPlaintext(cmd))); err != nil {
		return err
	}
	if cmd.Unsafe {
		f := record.Fail(record.ReasonClosedBeforeTLS, fmt.Errorf("what follows %s may be no command", cmd.Shown()))
		f.Replied = true
		return c.closedAfter(c.rejected, f)
	}
	return nil
}

// rejectSyntax answers a command that is not valid. Like reject it ends the session where
// the next line may not be a command.
func (c *client) rejectSyntax(client *side, cmd dialect.Command) error {
	if err := client.write([]byte(c.SyntaxError(cmd))); err != nil || !cmd.Unsafe {
		return err
	}
	f := record.Fail(record.ReasonMalformedBeforeTLS, fmt.Errorf("what follows %s may be no command", cmd.Shown()))
	f.Replied = true
	return c.closedAfter(c.rejected, f)
}

// quit lets the destination answer QUIT or LOGOUT.
func (c *client) quit(client, up *side, cmd dialect.Command) error {
	if r, err := c.upstream.ask(up, cmd); err == nil {
		// A client in a hurry does not wait for the answer.
		_ = client.write(r.Bytes())
	}
	f := record.Fail(record.ReasonClosedBeforeTLS, fmt.Errorf("the client said %s before TLS", cmd.Verb))
	f.Replied = true
	return c.closedAfter(1, f)
}

// closedAfter is the end of a session by the client after so many commands. If it
// was told to use TLS, that is the reason.
func (c *client) closedAfter(commands int, err error) error {
	var f *record.Failure
	if !errors.As(err, &f) {
		return err
	}
	switch {
	case c.refusal != nil && f.Reason != record.ReasonProxyHeaderUntrusted:
		return c.refusal
	case c.rejected > 0 && (f.Reason == record.ReasonClosedBeforeTLS || f.Reason == record.ReasonMalformedBeforeTLS):
		f.Reason = record.ReasonPlaintextNotAllowed
	case commands == 0 && f.Reason == record.ReasonClosedBeforeTLS && !errors.Is(err, io.ErrUnexpectedEOF):
		f.Reason = record.ReasonClosedBeforeHello
	}
	return err
}
