package mail

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
)

// What is left of a sign-in that was rejected is no command, and may be the password. It
// goes nowhere: not into an error, and not to the destination of a client that may send
// without a login.
func TestSMTPRestOfSignIn(t *testing.T) {
	t.Parallel()
	secret := sasl.Encode([]byte("\x00copier1\x00" + password))
	const needsLogin = "c: 530 5.7.0 Authentication required\n"
	const mechanism = "c: 504 5.5.4 Mechanism not supported; use PLAIN, LOGIN, CRAM-MD5\n"
	const malformed = "c: 501 5.5.2 Authentication cancelled or malformed\n"
	for name, script := range map[string]string{
		"of an unknown mechanism":   "C: AUTH NTLM|PLAIN64\n" + mechanism + needsLogin + "C!\n",
		"of a malformed response":   "C: AUTH LOGIN !|PASS64\n" + malformed + needsLogin + "C!\n",
		"of a sign-in in plaintext": "C: AUTH LOGIN\nc: 334 NAME?64\nC: copier-1|" + password + "\n" + malformed + needsLogin + "C!\n",
		"the password alone":        "C: PLAIN64\n" + needsLogin + "C!\n",
	} {
		for _, client := range []string{device, mapped} {
			t.Run(name+" from "+client, func(t *testing.T) {
				t.Parallel()
				got := signInOf(t, record.ProtocolSMTP, client, &tokenSource{}).signIn(opened + script)
				want := record.ReasonSMTPNotAuthenticated
				if strings.Contains(script, "NTLM") {
					want = record.ReasonSigninMissing
				}
				if reason := reasonOf(t, got.err); reason != want || got.pending != "" {
					t.Errorf("got %v, pending %q", got.err, got.pending)
				}
				for _, word := range append(strings.Fields(password), secret, sasl.Encode([]byte(password))) {
					if strings.Contains(strings.ToUpper(got.err.Error()), strings.ToUpper(word)) {
						t.Errorf("%q has a secret", got.err)
					}
				}
			})
		}
	}
}

// What follows a command of IMAP that was rejected may be its literal. It is not read as
// a command, and the arguments of LOGIN have an end.
func TestIMAPRejectedLiteral(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"a quote without its end":      "C: a0 LOGIN \"copier1 {8+}|b NOOP a\nc: a0 BAD Wrong arguments\n",
		"such a quote after a literal": "C: a0 LOGIN {7+}|copier1 \" {8+}|b NOOP a\nc: a0 BAD Wrong arguments\n",
		"a third literal":              "C: a0 LOGIN {1+}|x {1+}|y {8+}|b NOOP a\nc: a0 BAD Wrong arguments\n",
		"an unknown mechanism": "C: a0 AUTHENTICATE NTLM {8+}|b NOOP a\n" +
			"c: a0 NO Mechanism not supported; use PLAIN, LOGIN, CRAM-MD5\n",
		"an initial response in no form": "C: a0 AUTHENTICATE PLAIN {8+}|b NOOP a\nc: a0 BAD Authentication cancelled or malformed\n",
		"a command without arguments":    "C: a0 NOOP {8+}|b NOOP a\nc: a0 BAD Wrong arguments\n",
		"a command for later":            "C: a0 APPEND INBOX {8+}|b NOOP a\nc: a0 BAD Sign in first\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := signInOf(t, record.ProtocolIMAP, device, &tokenSource{}).signIn(imapOpened + script)
			want := record.ReasonMalformedBeforeTLS
			if strings.Contains(script, "NTLM") || strings.Contains(script, "APPEND") {
				want = record.ReasonSigninMissing
			}
			if reason := reasonOf(t, got.err); reason != want {
				t.Errorf("got %v", got.err)
			}
		})
	}
}

// A client that is not signed in hears why in its own words, and the session has that
// reason, not that the client has left.
func TestSignInFails(t *testing.T) {
	t.Parallel()
	plain := opened + "C: AUTH PLAIN PLAIN64\n"
	unreachable := record.Fail(record.ReasonEntraUnreachable, errors.New("connection refused"))
	for name, tt := range map[string]struct {
		script string
		tokens error
		reason record.Reason
	}{
		"wrong password": {opened + "C: AUTH PLAIN WRONG64\nc: 535 5.7.8 REASON\nC!\n", nil, record.ReasonSigninPasswordWrong},
		"unknown login":  {opened + "C: AUTH PLAIN NOBODY64\nc: 535 5.7.8 REASON\nC!\n", nil, record.ReasonSigninPasswordWrong},
		"wrong password, then QUIT": {
			opened + "C: AUTH PLAIN WRONG64\nc: 535 5.7.8 REASON\nC: QUIT\ns: QUIT\nS: 221 bye\nc: 221 bye\n", nil,
			record.ReasonSigninPasswordWrong,
		},
		"no token":         {plain + "c: 454 4.7.0 REASON\nC!\n", unreachable, record.ReasonEntraUnreachable},
		"mail without any": {opened + "C: MAIL FROM:<a@b>\nc: 530 5.7.0 Authentication required\nC!\n", nil, record.ReasonSMTPNotAuthenticated},
		"refused twice": {
			plain + "s: AUTH XOAUTH2 TOKEN1\nS: 535 5.7.3 no\ns: AUTH XOAUTH2 TOKEN2\nS: 535 5.7.3 no\nc: 535 5.7.3 no\nC!\n", nil,
			record.ReasonMailboxRefused,
		},
		"SMTP AUTH is off": {
			plain + "s: AUTH XOAUTH2 TOKEN1\nS: 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.\n" +
				"c: 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.\n" +
				"C!\n", nil, record.ReasonSMTPAuthDisabled,
		},
		"no XOAUTH2": {
			plain + "s: AUTH XOAUTH2 TOKEN1\nS: 504 5.7.4 Unrecognized authentication type\n" +
				"c: 504 5.7.4 Unrecognized authentication type\nC!\n", nil, record.ReasonUpstreamNoXOAUTH2,
		},
		"the destination closes": {plain + "s: AUTH XOAUTH2 TOKEN1\nS!\n", nil, record.ReasonUpstreamClosed},
		"leaves before":          {opened + "C!\n", nil, record.ReasonClosedBeforeTLS},
		"wrong password, leaves in EHLO": {
			opened + "C: AUTH PLAIN WRONG64\nc: 535 5.7.8 REASON\nC: EHLO printer\ns: EHLO printer\nC!\nS: 250 mx\n", nil,
			record.ReasonSigninPasswordWrong,
		},
		"wrong password, leaves in NOOP": {
			opened + "C: AUTH PLAIN WRONG64\nc: 535 5.7.8 REASON\nC: NOOP\ns: NOOP\nC!\nS: 250 ok\n", nil, record.ReasonSigninPasswordWrong,
		},
		"421 to EHLO": {hello0 + "C: EHLO printer\ns: EHLO printer\nS: 421 4.3.2 later\n" +
			"c: 421 4.3.2 later\n", nil, record.ReasonUpstreamRefusedSession},
		"421 to NOOP": {opened + "C: NOOP\ns: NOOP\nS: 421 4.4.2 timeout\n" +
			"c: 421 4.4.2 timeout\n", nil, record.ReasonUpstreamRefusedSession},
		"550 to EHLO, closes": {hello0 + "C: EHLO printer\ns: EHLO printer\nS: 550 no\nc: 550 no\n" +
			"C!\n", nil, record.ReasonUpstreamRefusedSession},
		"550 to HELO, QUIT": {
			hello0 + "C: HELO p\ns: EHLO p\nS: 550 no\ns: HELO p\nS: 550 no\nc: 550 no\nC: QUIT\ns: QUIT\nS: 221 bye\nc: 221 bye\n", nil,
			record.ReasonUpstreamRefusedSession,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := strings.ReplaceAll(tt.script, "REASON", text(tt.reason))
			got := signInOf(t, record.ProtocolSMTP, device, &tokenSource{err: tt.tokens}).signIn(script)
			if reason := reasonOf(t, got.err); reason != tt.reason {
				t.Errorf("got %q (%v), want %q", reason, got.err, tt.reason)
			}
		})
	}
}

// After a few wrong passwords the session ends.
func TestSignInFailsTooOften(t *testing.T) {
	t.Parallel()
	script := opened + strings.Repeat("C: AUTH PLAIN WRONG64\nc: 535 5.7.8 REASON\n", maxLogins)
	script = strings.ReplaceAll(script, "REASON", text(record.ReasonSigninPasswordWrong))
	got := signInOf(t, record.ProtocolSMTP, device, &tokenSource{}).signIn(script)
	var f *record.Failure
	if !errors.As(got.err, &f) || f.Reason != record.ReasonSigninPasswordWrong || !f.Replied {
		t.Errorf("got %v", got.err)
	}
}

// A destination that repeats what it was sent does not bring the token into an error, or
// to the client.
func TestRepeatedToken(t *testing.T) {
	t.Parallel()
	long := "eyJ0eXAiOiJKV1QiLCJub25jZSI6" + strings.Repeat("c2VjcmV0", 100)
	response := sasl.XOAUTH2(mailbox, long)
	const smtp = opened + "C: AUTH PLAIN PLAIN64\ns: AUTH XOAUTH2 LONG64\n"
	for name, tt := range map[string]struct {
		protocol record.Protocol
		script   string
	}{
		"the response": {record.ProtocolSMTP, smtp + "S: 500 Unknown: 'AUTH XOAUTH2 LONG64'\nc: 500 Unknown: 'AUTH XOAUTH2 [token]\nC!\n"},
		"in upper case, and its beginning": {
			record.ProtocolSMTP, smtp + "S: 501-What is UPPER64|501 PART64?\nc: 501-What is [token]\nc: 501 [token]\nC!\n",
		},
		"the token in a challenge": {
			record.ProtocolSMTP, smtp + "S: 334 CHALLENGE64\ns: \nS: 535 5.7.3 no\nc: 535 5.7.3 no\nC!\n",
		},
		"to a tag": {record.ProtocolIMAP, imapOpened + "C: a1 AUTHENTICATE PLAIN PLAIN64\ns: tlslift0 AUTHENTICATE XOAUTH2 LONG64\n" +
			"S: tlslift0 BAD LONG64 is no command\nc: a1 NO [AUTHENTICATIONFAILED] REFUSED\nC!\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := strings.NewReplacer("LONG64", response, "UPPER64", strings.ToUpper(response), "PART64", response[:100],
				"CHALLENGE64", sasl.Encode([]byte("invalid: "+long)), "REFUSED", text(record.ReasonMailboxRefused)).Replace(tt.script)
			got := signInOf(t, tt.protocol, device, sameToken(long)).signIn(script)
			var f *record.Failure
			if !errors.As(got.err, &f) || f.Reason != record.ReasonMailboxRefused {
				t.Fatalf("got %v", got.err)
			}
			for _, said := range []string{f.Error(), string(f.Reply)} {
				if strings.Contains(strings.ToLower(said), strings.ToLower(response[:20])) || strings.Contains(said, long[:20]) {
					t.Errorf("a token is in %q", said)
				}
			}
		})
	}
}

// A sameToken gives one token, whether or not it was refused.
type sameToken string

func (s sameToken) Token(context.Context, entra.Identity) (entra.Token, error) {
	return entra.Token{Value: string(s)}, nil
}

func (s sameToken) Renew(context.Context, entra.Identity, entra.Token) (entra.Token, error) {
	return entra.Token{Value: string(s)}, nil
}

// A reply that the destination has sent too early does not pass for its answer to the
// token.
func TestSignInReplyTooEarly(t *testing.T) {
	t.Parallel()
	const early = hello0 + "C: EHLO p\ns: EHLO p\nS: 250-mx|250 AUTH XOAUTH2|"
	const offers = "c: 250-mx\n" + offered + "C: AUTH PLAIN PLAIN64\n"
	for name, tt := range map[string]struct {
		protocol record.Protocol
		script   string
		reason   record.Reason
	}{
		"235": {record.ProtocolSMTP, early + "235 ok\n" + offers, record.ReasonUpstreamReplyInjected},
		"421": {record.ProtocolSMTP, early + "421 4.4.2 timeout\n" + offers, record.ReasonUpstreamRefusedSession},
		"+OK": {record.ProtocolPOP3, "S: +OK ready|+OK\nc: +OK ready\nC: AUTH PLAIN PLAIN64\n", record.ReasonUpstreamReplyInjected},
		"untagged OK": {record.ProtocolIMAP, "S: * OK ready|* OK wait\nc: * OK ready\nC: a1 AUTHENTICATE PLAIN PLAIN64\n" +
			"s: tlslift0 AUTHENTICATE XOAUTH2 TOKEN1\nS: tlslift0 OK done\nc: * OK wait\nc: a1 OK done\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := signInOf(t, tt.protocol, device, &tokenSource{}).signIn(tt.script)
			if reason := reasonOf(t, got.err); reason != tt.reason {
				t.Errorf("got %v, want %q", got.err, tt.reason)
			}
		})
	}
}

// A failure names the mailbox that it is about, and the login.
func TestSignInFailureNamesTheMailbox(t *testing.T) {
	t.Parallel()
	unreachable := record.Fail(record.ReasonEntraUnreachable, errors.New("connection refused"))
	for name, tt := range map[string]struct{ client, script, mailbox, login string }{
		"with a login":   {device, opened + "C: AUTH PLAIN PLAIN64\nc: 454 4.7.0 REASON\nC!\n", mailbox, "copier1"},
		"without one":    {mapped, opened + "C: MAIL FROM:<a@b>\nc: 454 4.7.0 REASON\nC!\n", mailbox, ""},
		"wrong password": {device, opened + "C: AUTH PLAIN WRONG64\nc: 535 5.7.8 " + text(record.ReasonSigninPasswordWrong) + "\nC!\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := signInOf(t, record.ProtocolSMTP, tt.client, &tokenSource{err: unreachable})
			if got := s.signIn(strings.ReplaceAll(tt.script, "REASON", text(record.ReasonEntraUnreachable))); got.err == nil {
				t.Error("it is signed in")
			}
			if gotMailbox, gotLogin := s.session.Mailbox(); gotMailbox != tt.mailbox || gotLogin != tt.login {
				t.Errorf("mailbox %q, login %q", gotMailbox, gotLogin)
			}
		})
	}
}

// After 421 the session is closed (RFC 5321 section 3.8); IMAP and POP3 have no such reply.
func TestSignInBusyEndsSMTP(t *testing.T) {
	t.Parallel()
	busy := record.Fail(record.ReasonMailboxBusy, nil)
	for name, tt := range map[string]struct {
		protocol record.Protocol
		script   string
	}{
		"SMTP": {record.ProtocolSMTP, opened + "C: AUTH PLAIN PLAIN64\nc: 421 4.4.5 REASON\n"},
		"IMAP": {record.ProtocolIMAP, imapOpened + "C: a1 LOGIN copier1 \"" + password + "\"\nc: a1 NO [UNAVAILABLE] REASON\n" +
			"C: a2 NOOP\ns: a2 NOOP\nS: a2 OK\nc: a2 OK\nC!\n"},
		"POP3": {record.ProtocolPOP3, popOpened + "C: USER copier1\nc: +OK\nC: PASS " + password + "\nc: -ERR [IN-USE] REASON\nC!\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := strings.ReplaceAll(tt.script, "REASON", text(record.ReasonMailboxBusy))
			got := signInOf(t, tt.protocol, device, &tokenSource{err: busy}).signIn(script)
			var f *record.Failure
			if !errors.As(got.err, &f) || f.Reason != record.ReasonMailboxBusy || !f.Replied {
				t.Errorf("got %v", got.err)
			}
		})
	}
}

// A client that goes away without having signed in has a reason, if it wanted something.
func TestSignInMissing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		protocol record.Protocol
		script   string
		reason   record.Reason
	}{
		"IMAP SELECT":    {record.ProtocolIMAP, imapOpened + "C: a1 SELECT INBOX\nc: a1 BAD Sign in first\nC!\n", record.ReasonSigninMissing},
		"IMAP, no verb":  {record.ProtocolIMAP, imapOpened + "C: a1 hunter2\nc: a1 BAD Sign in first\nC!\n", record.ReasonClosedBeforeTLS},
		"IMAP, nothing":  {record.ProtocolIMAP, imapOpened + "C!\n", record.ReasonClosedBeforeTLS},
		"POP3 STAT":      {record.ProtocolPOP3, popOpened + "C: STAT\nc: -ERR Sign in first\nC!\n", record.ReasonSigninMissing},
		"POP3 APOP":      {record.ProtocolPOP3, popOpened + "C: APOP x 0123\nc: -ERR Sign in first\nC!\n", record.ReasonSigninMissing},
		"POP3, no verb":  {record.ProtocolPOP3, popOpened + "C: hunter2\nc: -ERR Sign in first\nC!\n", record.ReasonClosedBeforeTLS},
		"SMTP mechanism": {record.ProtocolSMTP, opened + "C: AUTH NTLM hunter2\nc: 504 MECHANISMS\nC!\n", record.ReasonSigninMissing},
		"SMTP, its name": {record.ProtocolSMTP, opened + "C: AUTH hunter2\nc: 504 MECHANISMS\nC!\n", record.ReasonSigninMissing},
		"SMTP, then MAIL": {
			record.ProtocolSMTP, opened + "C: MAIL FROM:<a@b>\nc: 530 5.7.0 Authentication required\nC!\n", record.ReasonSMTPNotAuthenticated,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := strings.ReplaceAll(tt.script, "MECHANISMS", "5.5.4 Mechanism not supported; use PLAIN, LOGIN, CRAM-MD5")
			got := signInOf(t, tt.protocol, device, &tokenSource{}).signIn(script)
			if reason := reasonOf(t, got.err); reason != tt.reason || strings.Contains(strings.ToLower(got.err.Error()), "hunter2") {
				t.Errorf("got %v, want %q", got.err, tt.reason)
			}
		})
	}
}
