package mail

import (
	"errors"
	"io"
	"strings"

	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
)

// maxLiteral bounds a login and a password in an IMAP literal.
const maxLiteral = 1 << 10

// credential reads what the client signs in with, if the command is one that signs in.
// It is nil when more is to come, or when the client has had an answer that it cannot be.
// The error is a *record.Failure: the client has gone.
func (l *login) credential(cmd dialect.Command, line string) (typed *sasl.Credential, is bool, err error) {
	switch cmd.Verb {
	case "AUTH", "AUTHENTICATE":
		if (cmd.Verb == "AUTHENTICATE") != (l.cfg.Protocol == record.ProtocolIMAP) {
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
func (l *login) exchange(cmd dialect.Command, line string) (*sasl.Credential, error) {
	mechanism, encoded := dialect.Mechanism(cmd, line)
	e := sasl.NewExchange(mechanism)
	if e == nil || mechanism == sasl.CRAMMD5 && !l.Keeper.ServesCRAM(l.Client) {
		if mechanism != "" { // old POP3 clients ask for a list by it
			l.missed(record.ReasonSigninMissing, "the mechanism "+sasl.Shown(mechanism)+" is not offered")
		}
		return nil, l.reject(cmd, l.MechanismUnknown(cmd, l.Keeper.ServesCRAM(l.Client)))
	}
	var initial []byte
	var err error
	if encoded != "" {
		if initial, err = sasl.Decode(encoded); err != nil {
			return nil, l.reject(cmd, l.MalformedLogin(cmd))
		}
	}
	for response := initial; ; {
		challenge, done, err := e.Next(response)
		switch {
		case err != nil:
			return nil, l.reject(cmd, l.MalformedLogin(cmd))
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
	response, err := sasl.Decode(strings.Trim(string(line), " \t"))
	if err != nil {
		return nil, errEncoding
	}
	return response, nil
}

// cancelled answers an exchange that the client has not brought to its end.
func (l *login) cancelled(cmd dialect.Command, err error) error {
	switch {
	case errors.Is(err, errCancelled), errors.Is(err, errEncoding):
		return l.reject(cmd, l.MalformedLogin(cmd))
	}
	return err
}

// popLogin takes USER and PASS.
func (l *login) popLogin(cmd dialect.Command, line string) (*sasl.Credential, error) {
	arg := dialect.Argument(cmd, line)
	name := strings.Trim(arg, " \t")
	switch {
	case cmd.Verb == "USER" && name != "":
		l.user = name
		return nil, l.near.write([]byte("+OK\r\n"))
	case cmd.Verb == "USER" || l.user == "":
		return nil, l.near.write([]byte("-ERR USER NAME comes first\r\n"))
	}
	typed := &sasl.Credential{Login: l.user, Password: arg}
	l.user = ""
	return typed, nil
}

// imapLogin takes the two arguments of LOGIN.
func (l *login) imapLogin(cmd dialect.Command, line string) (*sasl.Credential, error) {
	var args dialect.Arguments
	literal, err := args.Command(cmd, line)
	for literal != nil {
		var value string
		if value, line, err = l.literal(*literal); err != nil {
			return nil, err
		}
		literal, err = args.Literal(value, line)
	}
	if err != nil {
		cmd.Unsafe = dialect.AnnouncesLiteral(line)
		return nil, l.reject(cmd, l.SyntaxError(cmd))
	}
	return &sasl.Credential{Login: args.Strings[0], Password: args.Strings[1]}, nil
}

// literal reads a literal and the rest of its line. One that is too long ends the
// session: it may come without being asked for.
func (l *login) literal(announced dialect.Literal) (value, rest string, err error) {
	if announced.Size > maxLiteral {
		return "", "", l.near.malformedError(errors.New("a literal is too long"))
	}
	if announced.Waits {
		if err := l.near.write([]byte("+ Ready\r\n")); err != nil {
			return "", "", err
		}
	}
	if err := l.near.begin(); err != nil {
		return "", "", err
	}
	p := make([]byte, announced.Size)
	if _, err := io.ReadFull(l.near.reader, p); err != nil {
		return "", "", l.near.readError(err)
	}
	line, err := l.near.line()
	if err != nil {
		return "", "", err
	}
	return string(p), string(line), nil
}
