package mailcheck

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/dialogue"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
)

// A session is the part of a chain that speaks with the destination.
type session struct {
	*chain

	to   policy.Destination
	talk *talk // nil before it is reached
}

// destination returns where tlslift signs in: at the destination of the listener, or at
// that of the instance.
func (s *session) destination() policy.Destination {
	mail := s.policy.Mail()
	if s.mailbox.HVE {
		return mail.HVE
	}
	for _, l := range s.cfg.Listen {
		if l.Scheme.Mail() == s.Protocol && s.policy.TakesTokens(l.To.Host) && l.To != mail.HVE {
			return l.To
		}
	}
	switch s.Protocol {
	case record.ProtocolIMAP:
		return mail.IMAP
	case record.ProtocolPOP3:
		return mail.POP3
	}
	return mail.SMTP
}

// isImplicit reports whether the destination begins with TLS.
func (s *session) isImplicit() bool { return listener.MailPort(s.to.Port).ImplicitTLS() }

func (s *session) dialect() dialect { return dialects[s.Protocol] }

// reach connects, and reads the greeting unless it comes inside TLS.
func (s *session) reach(ctx context.Context) (string, error) {
	if s.to = s.destination(); s.to.Host == "" {
		err := errors.New("this instance of Microsoft 365 has no High Volume Email; correct " + settings.Prefix + "M365_INSTANCE")
		return "", &stepError{err: err, usage: true}
	}
	conn, err := s.dialer.Dial(ctx, s.to.Host, s.to.Port)
	if err != nil {
		return "", err
	}
	s.talk = newTalk(conn)
	found := s.to.String() + " answers" + s.throughProxy()
	if s.isImplicit() {
		return found, nil
	}
	defer s.talk.begin(ctx)()
	return found, s.greeting()
}

func (s *session) greeting() error {
	r, err := s.talk.read(s.dialect(), "")
	if err == nil && !r.ok {
		err = rejected(r)
	}
	return err
}

// rejected is the failure of a session that the destination does not want.
func rejected(r reply) error {
	reason := dialogue.ReasonOf(r.bytes())
	if reason == "" {
		reason = record.ReasonUpstreamRefusedSession
	}
	return record.Fail(reason, fmt.Errorf("the destination said %q", r.last()))
}

// secure begins TLS.
func (s *session) secure(ctx context.Context) (string, error) {
	if !s.isImplicit() {
		if err := s.startTLS(); err != nil {
			return "", err
		}
	}
	secure, err := s.dialer.Handshake(ctx, s.talk.conn, s.to.Host, s.to.Port, nil)
	if err != nil {
		return "", err
	}
	s.talk.use(secure)
	if s.isImplicit() {
		if err := s.greeting(); err != nil {
			return "", err
		}
	}
	state := secure.ConnectionState()
	leaf := state.PeerCertificates[0] // a verified peer has one
	return fmt.Sprintf("%s, %s; the certificate is from %s and expires on %s",
		tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite),
		netname.Text(cmp.Or(leaf.Issuer.CommonName, leaf.Issuer.String()), maxDetail), leaf.NotAfter.Local().Format(time.DateOnly)), nil
}

// startTLS asks for TLS. What comes between the reply and TLS would be somebody else's.
func (s *session) startTLS() error {
	d := s.dialect()
	if s.Protocol == record.ProtocolSMTP {
		if err := s.introduce(); err != nil {
			return err
		}
	}
	r, err := s.talk.ask(d, d.startTLS())
	switch {
	case err != nil:
		return err
	case !r.ok:
		return record.Fail(record.ReasonUpstreamNoStartTLS, fmt.Errorf("the destination said %q", r.last()))
	case !s.talk.isDrained():
		return record.Fail(record.ReasonUpstreamReplyInjected, errors.New("bytes follow the destination's reply to STARTTLS"))
	}
	return nil
}

// introduce sends the EHLO before TLS.
func (s *session) introduce() error {
	r, err := s.talk.ask(s.dialect(), s.dialect().hello(s.talk.conn.LocalAddr()))
	if err == nil && !r.ok {
		err = rejected(r)
	}
	return err
}

func (s *session) findXOAUTH2(context.Context) (string, error) {
	d := s.dialect()
	r, err := s.talk.ask(d, d.hello(s.talk.conn.LocalAddr()))
	switch {
	case err != nil:
		return "", err
	case !r.ok:
		return "", rejected(r)
	case !d.offersXOAUTH2(r):
		return "", record.Fail(record.ReasonUpstreamNoXOAUTH2, fmt.Errorf("%s does not offer XOAUTH2", s.to))
	}
	return "offered by " + s.to.String(), nil
}

// maxChallenges is more than the one in which a server tells its error.
const maxChallenges = 3

// signIn signs in with the token. A challenge that tells an error is answered by an
// empty line, and then the reply comes.
func (s *session) signIn(context.Context) (string, error) {
	d := s.dialect()
	lines := d.xoauth2(sasl.XOAUTH2(s.mailbox.Address, s.token.Value))
	command, told := lines[0], ""
	for range maxChallenges {
		line := ""
		if len(lines) > 0 {
			line, lines = lines[0], lines[1:]
		}
		if err := s.talk.write(line + "\r\n"); err != nil {
			return "", err
		}
		r, err := s.talk.read(d, command)
		switch {
		case err != nil:
			return "", err
		case r.ok:
			return "the destination lets tlslift sign in to " + s.mailbox.Address, nil
		case !r.goesOn:
			return "", s.refused(r, told)
		case len(lines) == 0:
			told = s.hide(challengeText(r.lines[len(r.lines)-1]))
		}
	}
	return "", ioFailure("reading from", fmt.Errorf("%w: the sign-in does not end", errMalformed))
}

// refused is the destination's refusal of a token.
func (s *session) refused(r reply, told string) error {
	reason := s.refusalReason(r)
	err := fmt.Errorf("the destination said %q", s.hide(r.lines[len(r.lines)-1]))
	if told != "" {
		err = fmt.Errorf("%w and %q", err, told)
	}
	return record.Fail(reason, err)
}

// refusalReason returns the reason of a refused token. A refusal for now says nothing of
// the mailbox.
func (s *session) refusalReason(r reply) record.Reason {
	line := r.lines[len(r.lines)-1]
	words := append(strings.Fields(line), "", "", "")
	switch s.Protocol {
	case record.ProtocolIMAP:
		if words[0] == "*" || dialogue.IsTemporary(words[2]) { // * is BYE
			return record.ReasonUpstreamRefusedSession
		}
		return record.ReasonMailboxRefused
	case record.ProtocolPOP3:
		if dialogue.IsTemporary(words[1]) {
			return record.ReasonUpstreamRefusedSession
		}
		return record.ReasonMailboxRefused
	}
	switch known := dialogue.ReasonOf(r.bytes()); {
	case known == record.ReasonSMTPAuthMechanism: // it is ours
		return record.ReasonUpstreamNoXOAUTH2
	case known != "" && known != record.ReasonSMTPAuthFailed:
		return known
	case strings.HasPrefix(line, "4"):
		return record.ReasonSMTPRejected
	}
	return record.ReasonMailboxRefused
}

// hide takes the token out of what the destination says, and shortens it.
func (s *session) hide(text string) string {
	return netname.Cut(sasl.HideXOAUTH2(text, s.mailbox.Address, s.token.Value), maxShown)
}

// challengeText returns what a challenge tells.
func challengeText(line string) string {
	_, encoded, _ := strings.Cut(line, " ")
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return encoded
	}
	return string(text)
}

// send sends a mail of the mailbox to itself.
func (s *session) send(context.Context) (string, error) {
	address := s.mailbox.Address
	for _, command := range []string{"MAIL FROM:<" + address + ">", "RCPT TO:<" + address + ">", "DATA"} {
		r, err := s.talk.ask(smtp{}, command)
		if err != nil {
			return "", err
		}
		if !r.ok && !(command == "DATA" && r.goesOn) {
			return "", unsent(r, command)
		}
	}
	id := rand.Text()
	if err := s.talk.write(testMail(address, id, time.Now())); err != nil {
		return "", err
	}
	r, err := s.talk.read(smtp{}, "")
	if err != nil {
		return "", err
	}
	if !r.ok {
		return "", unsent(r, "the mail")
	}
	return fmt.Sprintf("the destination has taken a mail to %s, Message-ID %s", address, messageID(address, id)), nil
}

// unsent is the destination's refusal of a mail.
func unsent(r reply, to string) error {
	reason := dialogue.ReasonOf(r.bytes())
	if reason == "" {
		reason = record.ReasonSMTPRejected
	}
	return record.Fail(reason, fmt.Errorf("the destination said %q to %s", r.last(), to))
}

func messageID(address, id string) string {
	_, domain, _ := strings.Cut(address, "@")
	return "<" + id + "@" + domain + ">"
}

// testMail returns the mail, with the line that ends it.
func testMail(address, id string, now time.Time) string {
	return strings.Join([]string{
		"Date: " + now.Format(time.RFC1123Z),
		"From: <" + address + ">",
		"To: <" + address + ">",
		"Subject: Test mail from tlslift",
		"Message-ID: " + messageID(address, id),
		"Auto-Submitted: auto-generated",
		"MIME-Version: 1.0",
		"Content-Type: text/plain; charset=us-ascii",
		"",
		"This mail was sent by \"tlslift check mailbox --send\".",
		"It shows that tlslift can sign in to this mailbox and send with it.",
		".",
		"",
	}, "\r\n")
}
