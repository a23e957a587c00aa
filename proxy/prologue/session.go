package prologue

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Session is one opening. The destination's side of it may come first, on
// the client's behalf (Greet, StartTLS), or follow the client (Converse). It
// is used by one goroutine.
type Session struct {
	// Protocol has no useful zero value.
	Protocol record.Protocol
	// Client and Upstream are the two sides; Client is not used before
	// Converse or Resume.
	Client, Upstream Side
	// Plaintext says that the client may go on without TLS; Upstream must be
	// inside TLS then.
	Plaintext bool
	// Name is what the client is called towards an SMTP destination until it
	// has given a name; empty means "localhost".
	Name string

	dialect
	secured bool  // Upstream is inside TLS
	opening reply // the destination's greeting
	greeted bool  // the client has seen a greeting
	ehlo    bool  // the destination has had its EHLO since the last change
	refused int   // how often the client was told to use TLS
}

// Next is what follows an opening.
type Next uint8

const (
	// TLS comes next on the client's side; on the destination's too unless it
	// is inside TLS already.
	TLS Next = iota
	// Plain: the client goes on without TLS.
	Plain
)

// New prepares a session; Upstream may still be missing.
func New(p record.Protocol) *Session { return &Session{Protocol: p, dialect: dialectOf(p)} }

// Secure says that the destination's side went inside TLS, where up is. What
// was said before counts no more (RFC 3207 section 4.2).
func (s *Session) Secure(up Side) { s.Upstream, s.secured, s.ehlo = up, true, false }

// Secured says whether Upstream is inside TLS.
func (s *Session) Secured() bool { return s.secured }

// Replace puts a new connection in the place of the destination's side, whose
// opening is to be said anew.
func (s *Session) Replace(up Side) { s.Upstream, s.secured, s.ehlo = up, false, false }

// Greet reads the destination's greeting. The error is an *Error.
func (s *Session) Greet() error {
	up := s.Upstream.asUpstream()
	defer up.clear()
	r, err := up.read(s.dialect, command{})
	if err != nil {
		return err
	}
	if !r.ok {
		return turnedDown(r.bytes())
	}
	s.opening = r
	return nil
}

// StartTLS asks the destination to begin TLS on the client's behalf. After it
// the next byte on the destination's side is TLS. The error is an *Error.
func (s *Session) StartTLS() error {
	up := s.Upstream.asUpstream()
	defer up.clear()
	_, err := s.beginTLS(up, s.startTLS())
	if e := (*Error)(nil); s.Protocol == record.ProtocolIMAP && errors.As(err, &e) {
		e.Reply = nil // its tag is ours, and means nothing to the client
	}
	return err
}

// beginTLS sends STARTTLS and makes sure that nothing but its reply came back:
// what a third party put behind it must not pass for something said inside
// TLS.
func (s *Session) beginTLS(up *side, cmd command) (reply, error) {
	if err := s.introduce(up); err != nil {
		return reply{}, err
	}
	r, err := s.ask(up, cmd)
	switch {
	case err != nil:
		return r, err
	case !r.ok:
		e := turnedDown(r.bytes())
		e.Kind = UpstreamNoStartTLS
		if s.Protocol == record.ProtocolSMTP && r.lines[len(r.lines)-1][0] == '2' {
			e.Reply = nil // a yes, but not the one that lets TLS begin
		}
		return r, e
	case !up.silent():
		return r, &Error{Kind: UpstreamInjected, Err: errors.New("bytes follow the destination's reply to STARTTLS")}
	}
	return r, nil
}

// introduce sends an SMTP destination the EHLO that the client has not sent,
// because it says HELO or nothing: without it there are no extensions.
func (s *Session) introduce(up *side) error {
	if s.Protocol != record.ProtocolSMTP || s.ehlo {
		return nil
	}
	r, err := s.ask(up, smtp{}.parse([]byte("EHLO "+s.Name)))
	if err == nil && !r.ok {
		err = turnedDown(r.bytes())
	}
	return err
}

// ask sends a command and reads the reply to it.
func (s *Session) ask(up *side, cmd command) (reply, error) {
	// An IMAP server may say what it likes at any time (RFC 9051 section 7),
	// but not where it could pass for the reply to STARTTLS.
	if !up.silent() && (s.Protocol != record.ProtocolIMAP || cmd.kind == startTLS) {
		return reply{}, &Error{Kind: UpstreamInjected, Err: errors.New("the destination spoke without being asked")}
	}
	if err := up.write([]byte(cmd.line + "\r\n")); err != nil {
		return reply{}, err
	}
	r, err := up.read(s.dialect, cmd)
	if err != nil {
		return r, err
	}
	if cmd.kind == hello && r.ok {
		s.Name, s.ehlo = cmd.name, cmd.verb == "EHLO"
	}
	if lists, startTLS := s.offers(cmd, r); lists && !startTLS && !s.secured {
		return r, &Error{Kind: UpstreamNoStartTLS, Err: errors.New("STARTTLS is not among what the destination offers")}
	}
	return r, nil
}

// Converse gives the client its greeting and carries its commands until TLS
// comes next, or until a client that may do without TLS sends the first
// command that belongs behind it; that command is then pending. Greet comes
// first. The error is an *Error.
func (s *Session) Converse() (next Next, pending []byte, err error) {
	client, up := s.Client.asClient(), s.Upstream.asUpstream()
	defer client.clear()
	defer up.clear()
	if err := s.greet(client); err != nil {
		return 0, nil, err
	}
	for said := range maxCommands {
		cmd, line, err := s.next(client)
		if err != nil {
			return 0, nil, s.left(err, said)
		}
		switch cmd.kind {
		case startTLS:
			return TLS, nil, s.clientStartsTLS(client, up, cmd)
		case quit:
			return 0, nil, s.quit(client, up, cmd)
		case harmless, hello:
			err = s.forward(client, up, cmd)
		case badSyntax:
			err = client.write([]byte(s.syntax(cmd)))
		case other:
			if s.Plaintext {
				pending = append(line, "\r\n"...)
				return Plain, pending, s.introduce(up)
			}
			err = s.refuse(client, cmd)
		}
		if err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, s.left(&Error{Kind: ClientMalformed, Err: fmt.Errorf("more than %d commands before TLS", maxCommands)}, maxCommands)
}

// greet shows the client the greeting, unless it has seen one.
func (s *Session) greet(client *side) error {
	if s.greeted {
		return nil
	}
	s.greeted = true
	return client.write(s.greeting(s.opening, s.secured).bytes())
}

// next reads the client's next command.
func (s *Session) next(client *side) (command, []byte, error) {
	if err := client.begin(); err != nil {
		return command{}, nil, err
	}
	if err := client.refuseTLS(); err != nil {
		return command{}, nil, err
	}
	raw, err := client.line()
	if err != nil {
		return command{}, nil, err
	}
	line := append([]byte(nil), raw...)
	switch text := string(line); {
	case strings.HasPrefix(text, "PROXY "):
		return command{}, nil, &Error{Kind: ProxyHeader, Err: errors.New("a PROXY protocol header in the place of a command")}
	case strings.Contains(text, " HTTP/"):
		return command{}, nil, &Error{Kind: ClientMalformed, Err: errors.New("an HTTP request in the place of a command")}
	}
	return s.parse(line), line, nil
}

// refuseTLS looks at the first byte of a command: a ClientHello has no end of
// line to wait for. No command begins like one, in neither format.
func (s *side) refuseTLS() error {
	first, err := s.Reader.Peek(1)
	if err != nil {
		return s.readError(err)
	}
	early, _ := s.Reader.Peek(min(s.Reader.Buffered(), len(proxyV2))) // cannot fail
	switch {
	case first[0] == 0x16 || first[0]&0x80 != 0:
		return &Error{Kind: TLSBeforeStartTLS, Err: errors.New("TLS in the place of a command")}
	case string(early) == proxyV2:
		return &Error{Kind: ProxyHeader, Err: errors.New("a PROXY protocol header in the place of a command")}
	}
	return nil
}

// proxyV2 begins a PROXY protocol header of version 2.
const proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"

// clientStartsTLS answers STARTTLS. Whatever the client has sent behind it was
// sent too early, and by whom is unknown.
func (s *Session) clientStartsTLS(client, up *side, cmd command) error {
	if !client.silent() {
		return &Error{Kind: CommandAfterStartTLS, Err: fmt.Errorf("%d bytes follow %s", client.Reader.Buffered(), cmd.verb)}
	}
	if s.secured {
		return client.write([]byte(s.goAhead(cmd)))
	}
	r, err := s.beginTLS(up, cmd)
	if err != nil {
		return err
	}
	return client.write(r.bytes())
}

// forward carries a command that is harmless and its reply. A client that has
// to use TLS is not shown how to sign in without, whatever the destination
// says: it would send its password unprotected to be told that it may not.
func (s *Session) forward(client, up *side, cmd command) error {
	r, err := s.ask(up, cmd)
	if err != nil {
		return err
	}
	return client.write(s.adapt(cmd, r, s.Plaintext).bytes())
}

// refuse tells a client that has to use TLS so. Where the next line may not be
// a command but the rest of this one, the session ends.
func (s *Session) refuse(client *side, cmd command) error {
	s.refused++
	if err := client.write([]byte(s.noPlaintext(cmd))); err != nil {
		return err
	}
	if cmd.unsafe {
		return s.left(&Error{Kind: ClientClosed, Err: errors.New("a literal was sent without leave"), Told: true}, s.refused)
	}
	return nil
}

// quit lets the destination say goodbye.
func (s *Session) quit(client, up *side, cmd command) error {
	if r, err := s.ask(up, cmd); err == nil {
		// A client in a hurry does not wait for the answer.
		_ = client.write(r.bytes())
	}
	return s.left(&Error{Kind: ClientClosed, Err: fmt.Errorf("the client said %s before TLS", cmd.verb), Told: true}, 1)
}

// left is the end of a session by the client after so many commands; it went
// because it may not do without TLS if it was told so.
func (s *Session) left(err error, said int) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case s.refused > 0 && (e.Kind == ClientClosed || e.Kind == ClientMalformed):
		e.Kind = PlaintextRefused
	case said == 0 && e.Kind == ClientClosed:
		e.Kind = ClientSilent
	}
	return err
}

// Resume is what comes first inside the client's TLS: the greeting if the
// client has not seen one and, with SMTP, an EHLO. A client that does not
// repeat its EHLO after STARTTLS gets one on its behalf, since the destination
// knows nothing of the first (RFC 3207 section 4.2); a name in it that servers
// reject is made fit. What is pending is to be sent to the destination before
// anything else of the client's. The error is an *Error.
func (s *Session) Resume(client Side) (pending []byte, err error) {
	s.Client = client
	c, up := client.asClient(), s.Upstream.asUpstream()
	defer c.clear()
	if s.opening.lines != nil {
		if err := s.greet(c); err != nil {
			return nil, err
		}
	}
	if s.Protocol != record.ProtocolSMTP {
		return nil, nil
	}
	defer up.clear()
	if err := c.begin(); err != nil {
		return nil, err
	}
	line, err := c.line()
	if err != nil {
		return nil, err
	}
	pending = append(append(pending, line...), "\r\n"...)
	cmd := s.parse(line)
	if cmd.kind != hello {
		return pending, s.introduce(up)
	}
	r, err := s.ask(up, cmd)
	if err != nil {
		return nil, err
	}
	return nil, c.write(r.bytes())
}
