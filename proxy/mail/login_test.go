package mail

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/sasl"
	"github.com/tlslift/tlslift/proxy/signin"
)

const (
	mailbox  = "scan@contoso.com"
	password = "kyo-12 chars"
	device   = "192.0.2.7"
	mapped   = "192.0.2.9"
)

// tokenSource gives token1, and token2 in the place of it.
type tokenSource struct {
	asked, renewed int
	err            error
}

func (s *tokenSource) Token(context.Context, entra.Identity) (entra.Token, error) {
	s.asked++
	return entra.Token{Value: "token1"}, s.err
}

func (s *tokenSource) Renew(_ context.Context, _ entra.Identity, refused entra.Token) (entra.Token, error) {
	if refused.Value != "token1" {
		return entra.Token{}, errors.New("it has not given that token")
	}
	s.renewed++
	return entra.Token{Value: "token2"}, s.err
}

// signInConfig has one mailbox with the logins copier1 and empty, whose passwords are known
// by their hashes, and cram, whose password is known. The client mapped needs none.
func signInConfig(t testing.TB) *signin.Config {
	t.Helper()
	dir := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := bcrypt.GenerateFromPassword(nil, bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"secret": "of the application", "cram": password,
		"signin.yaml": `
tenant: contoso.onmicrosoft.com
application:
  id: 11111111-2222-3333-4444-555555555555
  secret_file: ` + dir + `/secret
mailboxes:
  - address: ` + mailbox + `
    logins:
      - name: copier1
        password: ` + string(hash) + `
      - name: empty
        password: ` + string(empty) + `
      - name: cram
        secret_file: ` + dir + `/cram
        clients: [192.0.2.0/24]
    clients: [` + mapped + `]
    senders: [` + mailbox + `]
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := signin.Load(filepath.Join(dir, "signin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// signInOf prepares a session whose client began with TLS.
func signInOf(t *testing.T, p record.Protocol, client string, tokens Tokens) *stage {
	t.Helper()
	s := newStage(t, p)
	s.session.SignIn = &SignIn{Keeper: signin.New(signInConfig(t)), Tokens: tokens, Client: signin.Client{Addr: netip.MustParseAddr(client)}}
	s.session.client.phase = clientImplicitTLS
	s.secure()
	return s
}

// signIn runs the session up to its relay, while the script is played, in which CRED and
// TOKEN1 stand for what is encoded.
func (s *stage) signIn(script string) end {
	s.t.Helper()
	return s.during(encoded(script), func() error {
		if err := s.session.upstream.readGreeting(); err != nil {
			return err
		}
		return s.session.signIn(s.t.Context(), s.session.Client.Conn)
	})
}

func encoded(script string) string {
	return strings.NewReplacer(
		"PLAIN64", sasl.Encode([]byte("\x00copier1\x00"+password)),
		"WRONG64", sasl.Encode([]byte("\x00copier1\x00wrong")),
		"NOBODY64", sasl.Encode([]byte("\x00nobody\x00"+password)),
		"USER64", sasl.Encode([]byte("copier1")),
		"PASS64", sasl.Encode([]byte(password)),
		"NAME?64", sasl.Encode([]byte("Username:")), "WORD?64", sasl.Encode([]byte("Password:")),
		"TOKEN1", sasl.XOAUTH2(mailbox, "token1"), "TOKEN2", sasl.XOAUTH2(mailbox, "token2"),
	).Replace(script)
}

const (
	hello0  = "S: 220 mx ESMTP\nc: 220 mx ESMTP\n"
	hello1  = "C: EHLO printer\ns: EHLO printer\nS: 250-mx|250-SIZE 9|250-AUTH=LOGIN|250 AUTH LOGIN XOAUTH2\nc: 250-mx\nc: 250-SIZE 9\n"
	offered = "c: 250-AUTH PLAIN LOGIN CRAM-MD5\nc: 250 AUTH=PLAIN LOGIN CRAM-MD5\n"
	opened  = hello0 + hello1 + offered
	done    = "s: AUTH XOAUTH2 TOKEN1\nS: 235 2.7.0 ok\nc: 235 2.7.0 ok\n"
	wrong   = "c: 535 5.7.8 "
)

// Whatever way a client has to say its password, the destination gets a token, and
// never the password.
func TestSMTPSignIn(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"PLAIN with an initial response": opened + "C: AUTH PLAIN PLAIN64\n" + done,
		"PLAIN":                          opened + "C: AUTH PLAIN\nc: 334 \nC: PLAIN64\n" + done,
		"LOGIN":                          opened + "C: auth login\nc: 334 NAME?64\nC: USER64\nc: 334 WORD?64\nC: PASS64\n" + done,
		"LOGIN with an initial response": opened + "C: AUTH LOGIN USER64\nc: 334 WORD?64\nC: PASS64\n" + done,
		"AUTH without EHLO":              hello0 + "C: AUTH PLAIN PLAIN64\ns: EHLO localhost\nS: 250-mx|250 AUTH XOAUTH2\n" + done,
		"AUTH after HELO": hello0 + "C: HELO printer\ns: EHLO printer\nS: 250-mx|250 AUTH XOAUTH2\nc: 250 mx\n" +
			"C: AUTH PLAIN PLAIN64\n" + done,
		"an exchange that is cancelled": opened + "C: AUTH LOGIN\nc: 334 NAME?64\nC: *\n" +
			"c: 501 5.5.2 Authentication cancelled or malformed\nC: AUTH PLAIN PLAIN64\n" + done,
		"a mechanism that is not offered": opened + "C: AUTH DIGEST-MD5\n" +
			"c: 504 5.5.4 Mechanism not supported; use PLAIN, LOGIN, CRAM-MD5\nC: AUTH PLAIN PLAIN64\n" + done,
		"a response that is not base64": opened + "C: AUTH PLAIN !\nc: 501 5.5.2 Authentication cancelled or malformed\n" +
			"C: AUTH PLAIN PLAIN64\n" + done,
		"STARTTLS first": opened + "C: STARTTLS\nc: 503 5.5.1 STARTTLS is not available now\n" + "C: AUTH PLAIN PLAIN64\n" + done,
		"NOOP first":     opened + "C: NOOP\ns: NOOP\nS: 250 ok\nc: 250 ok\nC: AUTH PLAIN PLAIN64\n" + done,
		"a refusal told by a challenge, and a new token": opened + "C: AUTH PLAIN PLAIN64\ns: AUTH XOAUTH2 TOKEN1\n" +
			"S: 334 eyJzdGF0dXMiOiI0MDEifQ==\ns: \nS: 535 5.7.3 no\ns: AUTH XOAUTH2 TOKEN2\nS: 235 ok\nc: 235 ok\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := signInOf(t, record.ProtocolSMTP, device, &tokenSource{}).signIn(script); got.err != nil || got.pending != "" {
				t.Errorf("got %v, pending %q", got.err, got.pending)
			}
		})
	}
}

// A client that may send without a login is signed in for when it begins its mail.
func TestSMTPWithoutLogin(t *testing.T) {
	t.Parallel()
	const script = opened + "C: MAIL FROM:<scan@contoso.com>\ns: AUTH XOAUTH2 TOKEN1\nS: 235 ok\n"
	s := signInOf(t, record.ProtocolSMTP, mapped, &tokenSource{})
	if got := s.signIn(script); got.err != nil || got.pending != "MAIL FROM:<scan@contoso.com>\r\n" {
		t.Errorf("got %v, pending %q", got.err, got.pending)
	}
	if name, login := s.session.Mailbox(); name != mailbox || login != "" {
		t.Errorf("signed in to %q by %q", name, login)
	}
}

// A client that sends its mail together with AUTH, or without any, has the mail relayed in
// order, once the destination has taken the token. If it has not, no part of the mail is
// taken for a command.
func TestSMTPPipelining(t *testing.T) {
	t.Parallel()
	const mail = "MAIL FROM:<scan@contoso.com>|RCPT TO:<a@b.example>|DATA"
	const relayed = "s: MAIL FROM:<scan@contoso.com>\ns: RCPT TO:<a@b.example>\ns: DATA\n"
	const needsLogin = "c: 530 5.7.0 Authentication required\n"
	for name, tt := range map[string]struct {
		client, script string
		tokens         error
		reason         record.Reason
	}{
		"after PLAIN":     {device, "C: AUTH PLAIN PLAIN64|" + mail + "\n" + done + relayed, nil, ""},
		"after LOGIN":     {device, "C: AUTH LOGIN|USER64|PASS64|" + mail + "\nc: 334 NAME?64\nc: 334 WORD?64\n" + done + relayed, nil, ""},
		"without a login": {mapped, "C: " + mail + "\ns: AUTH XOAUTH2 TOKEN1\nS: 235 ok\n" + relayed, nil, ""},
		"a wrong password": {
			device, "C: AUTH PLAIN WRONG64|" + mail + "|QUIT\n" + wrong + "REFUSED\n" + needsLogin + needsLogin + needsLogin,
			nil, record.ReasonSigninPasswordWrong,
		},
		"no token": {
			mapped, "C: " + mail + "|MAIL FROM:<b@contoso.com>\nc: 454 4.7.0 REFUSED\n" + needsLogin + needsLogin,
			record.Fail(record.ReasonEntraUnreachable, nil), record.ReasonEntraUnreachable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := signInOf(t, record.ProtocolSMTP, tt.client, &tokenSource{err: tt.tokens})
			got := s.during(encoded(opened+strings.ReplaceAll(tt.script, "REFUSED", text(tt.reason))), func() error {
				if err := s.session.upstream.readGreeting(); err != nil {
					return err
				}
				down, up, sent, err := s.session.Resume(t.Context(), s.session.Client.Conn)
				if err != nil {
					return err
				}
				p := make([]byte, len(mail)+len("\r\n\r\n\r\n")-len("||"))
				if _, err := io.ReadFull(down, p); err != nil || sent != 0 {
					return fmt.Errorf("reading %q, %d bytes sent before: %w", p, sent, err)
				}
				_, err = up.Write(p)
				return err
			})
			if reason := reasonOf(t, got.err); reason != tt.reason {
				t.Errorf("got %v, want %q", got.err, tt.reason)
			}
			s.session.Close()
		})
	}
}

// A client that may sign in here without TLS is offered TLS all the same.
func TestSignInOffersTLS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		protocol record.Protocol
		script   string
		pending  string
	}{
		"SMTP": {record.ProtocolSMTP, hello0 + "C: EHLO p\ns: EHLO p\nS: 250-mx|250 AUTH XOAUTH2\n" +
			"c: 250-mx\nc: 250-AUTH PLAIN LOGIN CRAM-MD5\nc: 250-AUTH=PLAIN LOGIN CRAM-MD5\nc: 250 STARTTLS\nC: AUTH LOGIN\n", "AUTH LOGIN\r\n"},
		"IMAP": {record.ProtocolIMAP, imapOpened + "C: a CAPABILITY\ns: a CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=XOAUTH2|a OK done\n" +
			"c: * CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5 SASL-IR STARTTLS\nc: a OK done\nC: b LOGIN x y\n", "b LOGIN x y\r\n"},
		"POP3": {record.ProtocolPOP3, popOpened + "C: CAPA\ns: CAPA\nS: +OK|TOP|SASL XOAUTH2|.\n" +
			"c: +OK\nc: TOP\nc: USER\nc: SASL PLAIN LOGIN CRAM-MD5\nc: STLS\nc: .\nC: USER x\n", "USER x\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := signInOf(t, tt.protocol, device, &tokenSource{})
			s.session.client.phase, s.session.Plaintext = clientNew, true
			if got := s.negotiate(tt.script); got.err != nil || got.pending != tt.pending {
				t.Errorf("got %v, pending %q", got.err, got.pending)
			}
		})
	}
}

// CRAM-MD5 is for logins whose password is known. A response without its digest is not
// taken for one with an empty password.
func TestCRAMMD5(t *testing.T) {
	t.Parallel()
	for login, reason := range map[string]record.Reason{
		"cram": "", "copier1": record.ReasonSigninPasswordWrong, "empty": record.ReasonSigninPasswordWrong,
	} {
		t.Run(login, func(t *testing.T) {
			t.Parallel()
			s := signInOf(t, record.ProtocolSMTP, device, &tokenSource{})
			ended := make(chan error, 1)
			go func() {
				if err := s.session.upstream.readGreeting(); err != nil {
					ended <- err
					return
				}
				ended <- s.session.signIn(t.Context(), s.session.Client.Conn)
			}()
			s.play("S: 220 mx\nc: 220 mx\nC: AUTH CRAM-MD5\n")
			line, err := s.client.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			challenge, err := sasl.Decode(strings.TrimPrefix(strings.TrimSpace(line), "334 "))
			if err != nil {
				t.Fatalf("reading %q: %v", line, err)
			}
			mac := hmac.New(md5.New, []byte(password))
			mac.Write(challenge)
			digest := hex.EncodeToString(mac.Sum(nil))
			if login == "empty" {
				digest = ""
			}
			s.say(s.client, sasl.Encode([]byte(login+" "+digest)))
			if reason == "" {
				s.play(encoded("s: EHLO localhost\nS: 250 mx\n" + done))
			} else {
				s.play(wrong + text(reason) + "\nC!\n")
			}
			if got := reasonOf(t, <-ended); got != reason {
				t.Errorf("got %q, want %q", got, reason)
			}
		})
	}
}

const imapOpened = "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR] ready\nc: * OK ready\n"

const imapDone = "s: tlslift0 AUTHENTICATE XOAUTH2 TOKEN1\nS: * CAPABILITY IMAP4rev1 IDLE|tlslift0 OK AUTHENTICATE completed.\n" +
	"c: * CAPABILITY IMAP4rev1 IDLE\nc: a1 OK AUTHENTICATE completed.\n"

// The ways of IMAP to say a password.
func TestIMAPSignIn(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"LOGIN":              imapOpened + "C: a1 LOGIN copier1 \"" + password + "\"\n" + imapDone,
		"LOGIN with escapes": imapOpened + "C: a1 login \"copier\\1\" \"" + password + "\"\n" + imapDone,
		"LOGIN with literals": imapOpened + "C: a1 LOGIN {7}\nc: + Ready\nC: copier1 {12}\nc: + Ready\n" +
			"C: " + password + "\n" + imapDone,
		"LOGIN with literals at once": imapOpened + "C: a1 LOGIN {7+}|copier1 {12+}|" + password + "\n" + imapDone,
		"AUTHENTICATE PLAIN":          imapOpened + "C: a1 AUTHENTICATE PLAIN\nc: + \nC: PLAIN64\n" + imapDone,
		"AUTHENTICATE PLAIN, SASL-IR": imapOpened + "C: a1 AUTHENTICATE PLAIN PLAIN64\n" + imapDone,
		"AUTHENTICATE LOGIN":          imapOpened + "C: a1 AUTHENTICATE LOGIN\nc: + NAME?64\nC: USER64\nc: + WORD?64\nC: PASS64\n" + imapDone,
		"LOGIN with too few arguments": imapOpened + "C: a0 LOGIN copier1\nc: a0 BAD Wrong arguments\n" +
			"C: a1 AUTHENTICATE PLAIN PLAIN64\n" + imapDone,
		"LOGIN with a third literal": imapOpened + "C: a0 LOGIN {1}\nc: + Ready\nC: x y {3}\nc: a0 BAD Wrong arguments\n" +
			"C: a1 AUTHENTICATE PLAIN PLAIN64\n" + imapDone,
		"STARTTLS first": imapOpened + "C: a0 STARTTLS\nc: a0 BAD STARTTLS is not available now\n" +
			"C: a1 AUTHENTICATE PLAIN PLAIN64\n" + imapDone,
		"SELECT first": imapOpened + "C: a0 SELECT INBOX\nc: a0 BAD Sign in first\n" +
			"C: a1 AUTHENTICATE PLAIN PLAIN64\n" + imapDone,
		"a wrong password, then a good": imapOpened + "C: a0 LOGIN copier1 wrong\nc: a0 NO [AUTHENTICATIONFAILED] REFUSED\n" +
			"C: a1 AUTHENTICATE PLAIN PLAIN64\n" + imapDone,
		"CAPABILITY": imapOpened + "C: a0 CAPABILITY\ns: a0 CAPABILITY\n" +
			"S: * CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR IDLE|a0 OK done\n" +
			"c: * CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5 SASL-IR\nc: a0 OK done\n" +
			"C: a1 AUTHENTICATE PLAIN PLAIN64\n" + imapDone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script = strings.ReplaceAll(script, "REFUSED", text(record.ReasonSigninPasswordWrong))
			if got := signInOf(t, record.ProtocolIMAP, device, &tokenSource{}).signIn(script); got.err != nil {
				t.Error(got.err)
			}
		})
	}
}

func text(r record.Reason) string { return fmt.Sprintf("%s (tlslift: %s)", r.Cause(), r) }

const popOpened = "S: +OK ready\nc: +OK ready\n"

const popDone = "s: AUTH XOAUTH2\nS: +\ns: TOKEN1\nS: +OK User successfully authenticated.\nc: +OK User successfully authenticated.\n"

// The ways of POP3 to say a password.
func TestPOP3SignIn(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"USER and PASS":                popOpened + "C: USER copier1\nc: +OK\nC: PASS " + password + "\n" + popDone,
		"AUTH PLAIN":                   popOpened + "C: AUTH PLAIN\nc: + \nC: PLAIN64\n" + popDone,
		"AUTH PLAIN, initial response": popOpened + "C: AUTH PLAIN PLAIN64\n" + popDone,
		"PASS first":                   popOpened + "C: PASS x\nc: -ERR USER NAME comes first\nC: AUTH PLAIN PLAIN64\n" + popDone,
		"STLS first":                   popOpened + "C: STLS\nc: -ERR STLS is not available now\nC: AUTH PLAIN PLAIN64\n" + popDone,
		"STAT first":                   popOpened + "C: STAT\nc: -ERR Sign in first\nC: AUTH PLAIN PLAIN64\n" + popDone,
		"a wrong password, then a good": popOpened + "C: USER copier1\nc: +OK\nC: PASS no\nc: -ERR [AUTH] REFUSED\n" +
			"C: AUTH PLAIN PLAIN64\n" + popDone,
		"CAPA": popOpened + "C: CAPA\ns: CAPA\nS: +OK|TOP|SASL PLAIN XOAUTH2|USER|UIDL|.\n" +
			"c: +OK\nc: TOP\nc: UIDL\nc: USER\nc: SASL PLAIN LOGIN CRAM-MD5\nc: .\nC: AUTH PLAIN PLAIN64\n" + popDone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script = strings.ReplaceAll(script, "REFUSED", text(record.ReasonSigninPasswordWrong))
			if got := signInOf(t, record.ProtocolPOP3, device, &tokenSource{}).signIn(script); got.err != nil {
				t.Error(got.err)
			}
		})
	}
}

// Whatever a client and a destination say while the client signs in, the destination
// gets only what is harmless, and the token.
func FuzzSignIn(f *testing.F) {
	smtpServer := "220 mx\r\n250 mx\r\n235 ok\r\n"
	for _, seed := range []string{opened, "EHLO a\r\nAUTH PLAIN PLAIN64\r\n", "AUTH LOGIN\r\nUSER64\r\nPASS64\r\n", "MAIL FROM:<a>\r\n"} {
		f.Add(uint8(0), encoded(seed), smtpServer, false)
		f.Add(uint8(0), encoded(seed), smtpServer, true)
	}
	f.Add(uint8(1), encoded("a LOGIN {7}\r\ncopier1 \""+password+"\"\r\n"), "* OK\r\n+ e30=\r\ntlslift0 OK\r\n", false)
	f.Add(uint8(1), "a AUTHENTICATE PLAIN "+encoded("WRONG64")+"\r\n", "* OK\r\n", false)
	f.Add(uint8(2), "USER copier1\r\nPASS "+password+"\r\n", "+OK\r\n+\r\n+OK\r\n", false)
	cfg := signInConfig(f)
	f.Fuzz(func(t *testing.T, protocol uint8, fromClient, fromServer string, isMapped bool) {
		p := []record.Protocol{record.ProtocolSMTP, record.ProtocolIMAP, record.ProtocolPOP3}[protocol%3]
		client, server := &tape{said: strings.NewReader(fromClient)}, &tape{said: strings.NewReader(fromServer)}
		from := map[bool]string{true: mapped, false: device}[isMapped]
		s := New(Config{
			Protocol: p, Client: relay.NewConn(client), Destination: destination{server}, Timeout: time.Minute, IdleTimeout: time.Minute,
			SignIn: &SignIn{Keeper: signin.New(cfg), Tokens: &tokenSource{}, Client: signin.Client{Addr: netip.MustParseAddr(from)}},
		})
		defer s.Close()
		s.client.phase = clientImplicitTLS
		s.upstream.replace(server, upstreamSecured)
		err := s.upstream.readGreeting()
		if err == nil {
			err = s.signIn(t.Context(), client)
		}
		if f := (*record.Failure)(nil); err != nil && (!errors.As(err, &f) || f.Reason == "" || f.Reason == record.ReasonInternal) {
			t.Errorf("an error without a reason: %v", err)
		}
		heard := server.heard.String()
		for _, secret := range []string{password, "WRONG64", "PLAIN64", "PASS64"} {
			if strings.Contains(heard, encoded(secret)) {
				t.Errorf("the destination has heard a password: %q", heard)
			}
		}
		for line := range strings.Lines(encoded(heard)) {
			if !isHarmless(p, strings.TrimSuffix(line, "\r\n")) {
				t.Errorf("the destination has heard %q", line)
			}
		}
	})
}

// isHarmless reports whether a destination may hear a line before the relay.
func isHarmless(p record.Protocol, line string) bool {
	token := sasl.XOAUTH2(mailbox, "token1")
	other := sasl.XOAUTH2(mailbox, "token2")
	switch line {
	case "", token, other, "AUTH XOAUTH2", "AUTH XOAUTH2 " + token, "AUTH XOAUTH2 " + other,
		"tlslift0 AUTHENTICATE XOAUTH2 " + token, "tlslift0 AUTHENTICATE XOAUTH2 " + other:
		return true
	}
	if p == record.ProtocolIMAP {
		_, line, _ = strings.Cut(line, " ")
	}
	verb, _, _ := strings.Cut(line, " ")
	return slices.Contains(forwardable[p], verb)
}
