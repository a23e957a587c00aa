package mail

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/record"
)

// negotiate gives the client its greeting and carries its commands until TLS
// comes next, or until a client that may do without TLS sends the first command
// that needs TLS; that command is then pending.
func (s *Session) negotiate() error {
	client, up := s.clientSide(), s.upstreamSide()
	defer client.clear()
	defer up.clear()
	if err := s.greetClient(client); err != nil {
		return err
	}
	for n := range maxCommands {
		cmd, line, err := s.next(client)
		if err != nil {
			return s.closedAfter(n, err)
		}
		switch cmd.kind {
		case startTLS:
			return s.clientStartTLS(client, up, cmd)
		case quit:
			return s.quit(client, up, cmd)
		case harmless, hello:
			err = s.forward(client, up, cmd)
		case badSyntax:
			err = client.write([]byte(s.syntaxError(cmd)))
		case other:
			if s.Plaintext {
				s.client, s.pending = clientPlaintext, append(line, "\r\n"...)
				return s.introduce(up)
			}
			err = s.reject(client, cmd)
		}
		if err != nil {
			return err
		}
	}
	return s.closedAfter(maxCommands,
		record.Fail(record.ReasonMalformedBeforeTLS, fmt.Errorf("more than %d commands before TLS", maxCommands)))
}

// greetClient sends the client the greeting, unless it has had one.
func (s *Session) greetClient(client *side) error {
	if s.client == clientGreeted || s.client == clientSTARTTLS {
		return nil
	}
	if s.client == clientNew {
		s.client = clientGreeted
	}
	return client.write(s.adaptGreeting(s.greeting, s.upstream == upstreamSecured).bytes())
}

// next reads the client's next command.
func (s *Session) next(client *side) (command, []byte, error) {
	if err := client.begin(); err != nil {
		return command{}, nil, err
	}
	if err := client.checkFirstByte(); err != nil {
		return command{}, nil, err
	}
	raw, err := client.line()
	if err != nil {
		return command{}, nil, err
	}
	line := append([]byte(nil), raw...)
	switch text := string(line); {
	case strings.HasPrefix(text, "PROXY "):
		return command{}, nil, errProxyHeader()
	case strings.Contains(text, " HTTP/"):
		return command{}, nil, record.Fail(record.ReasonMalformedBeforeTLS, errors.New("an HTTP request in the place of a command"))
	}
	return s.parse(line), line, nil
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

// clientStartTLS answers STARTTLS. Whatever the client's side has sent after it
// came too early, and who sent it is unknown.
func (s *Session) clientStartTLS(client, up *side, cmd command) error {
	if !client.isDrained() {
		return record.Fail(record.ReasonCommandAfterStartTLS, fmt.Errorf("%d bytes follow %s", client.reader.Buffered(), cmd.verb))
	}
	answer := []byte(s.goAhead(cmd))
	if s.upstream != upstreamSecured {
		r, err := s.beginTLS(up, cmd)
		if err != nil {
			return err
		}
		answer = r.bytes()
	}
	s.client = clientSTARTTLS
	return client.write(answer)
}

// forward carries a command that is harmless and its reply. A client that has
// to use TLS is not shown how to sign in without it, whatever the destination
// offers: it would send its password unprotected, only to be rejected.
func (s *Session) forward(client, up *side, cmd command) error {
	r, err := s.ask(up, cmd)
	if err != nil {
		return err
	}
	return client.write(s.adapt(cmd, r, s.Plaintext).bytes())
}

// reject answers a command that needs TLS. Where the next line may not be
// a command but the rest of this one, the session ends.
func (s *Session) reject(client *side, cmd command) error {
	s.rejected++
	if err := client.write([]byte(s.noPlaintext(cmd))); err != nil {
		return err
	}
	if cmd.unsafe {
		f := record.Fail(record.ReasonClosedBeforeTLS, errors.New("a non-synchronizing literal"))
		f.Replied = true
		return s.closedAfter(s.rejected, f)
	}
	return nil
}

// quit lets the destination answer QUIT or LOGOUT.
func (s *Session) quit(client, up *side, cmd command) error {
	if r, err := s.ask(up, cmd); err == nil {
		// A client in a hurry does not wait for the answer.
		_ = client.write(r.bytes())
	}
	f := record.Fail(record.ReasonClosedBeforeTLS, fmt.Errorf("the client said %s before TLS", cmd.verb))
	f.Replied = true
	return s.closedAfter(1, f)
}

// closedAfter is the end of a session by the client after so many commands. If it
// was told to use TLS, that is the reason.
func (s *Session) closedAfter(commands int, err error) error {
	var f *record.Failure
	if !errors.As(err, &f) {
		return err
	}
	switch {
	case s.rejected > 0 && (f.Reason == record.ReasonClosedBeforeTLS || f.Reason == record.ReasonMalformedBeforeTLS):
		f.Reason = record.ReasonPlaintextNotAllowed
	case commands == 0 && f.Reason == record.ReasonClosedBeforeTLS:
		f.Reason = record.ReasonClosedBeforeHello
	}
	return err
}
