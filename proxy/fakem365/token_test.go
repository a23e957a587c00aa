package fakem365_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	exchange = "https://outlook.office365.com"
	appID    = "11111111-2222-3333-4444-555555555555"
)

// tokens are those that are good, and what they say.
type tokens map[string]fakem365.Claims

func (t tokens) Verify(token string) (fakem365.Claims, error) {
	claims, known := t[token]
	if !known {
		return claims, errors.New("it is expired or revoked")
	}
	return claims, nil
}

func claims(audience, application, user string, permissions ...string) fakem365.Claims {
	return fakem365.Claims{
		Audience: audience, Application: application, User: user, Permissions: permissions, Expires: time.Now().Add(time.Hour),
	}
}

// issued are some tokens for SMTP.
var issued = tokens{
	"app":     claims(exchange, appID, "", "SMTP.SendAsApp"),
	"imap":    claims(exchange, appID, "", "IMAP.AccessAsApp"),
	"scope":   claims(exchange, appID, "", "SMTP.Send"),
	"graph":   claims("https://graph.microsoft.com", appID, "", "SMTP.SendAsApp"),
	"other":   claims(exchange, "99999999-2222-3333-4444-555555555555", "", "SMTP.SendAsApp"),
	"user":    claims("https://outlook.office.com", appID, "scanner@contoso.example", "SMTP.Send"),
	"helper":  claims("https://outlook.office.com", appID, "Helper@contoso.example", "SMTP.Send"),
	"else":    claims("https://outlook.office.com", appID, "else@contoso.example", "SMTP.Send"),
	"nothing": claims(exchange, "", "", "SMTP.SendAsApp", "SMTP.Send"),
}

func oauthAccounts() fakem365.Accounts {
	return fakem365.Accounts{
		{Address: "scanner@contoso.example", Password: "Pa55word", Delegates: []string{appID, "helper@contoso.example"},
			SendAs: []string{"office@contoso.example"}},
		{Address: "off@contoso.example", Password: "Pa55word", SMTPDisabled: true, Delegates: []string{appID}},
		{Address: "alone@contoso.example", Password: "Pa55word"},
	}
}

// xoauth2 returns the answer of a client.
func xoauth2(mailbox, token string) string {
	return base64.StdEncoding.EncodeToString([]byte("user=" + mailbox + "\x01auth=Bearer " + token + "\x01\x01"))
}

// secured returns a session of SMTP inside TLS, after EHLO.
func secured(t *testing.T, fake *fakem365.Service, server *fakem365.MailServer) *textproto.Conn {
	t.Helper()
	text := textproto.NewConn(testenv.DialTLS(t, testenv.Direct(fake, server.Server), "smtp.office365.com:587"))
	smtpTurns(t, text, "", "220 ", "EHLO tlslift", "250-")
	return text
}

// smtpTurns goes through lines and the beginnings of the answers to them.
func smtpTurns(t *testing.T, text *textproto.Conn, script ...string) {
	t.Helper()
	for i := 0; i < len(script); i += 2 {
		if script[i] != "" || i > 0 {
			if err := text.PrintfLine("%s", script[i]); err != nil {
				t.Fatal(err)
			}
		}
		for {
			line, err := text.ReadLine()
			if err != nil || !strings.HasPrefix(line, script[i+1][:3]) {
				t.Fatalf("%.40q is answered %q, error %v; want %q", script[i], line, err, script[i+1])
			}
			if len(line) > 3 && line[3] == '-' {
				continue
			}
			if !strings.HasPrefix(script[i+1], "250") && !strings.HasPrefix(line, script[i+1]) {
				t.Fatalf("%.40q is answered %q; want %q", script[i], line, script[i+1])
			}
			break
		}
	}
}

func TestSubmissionByToken(t *testing.T) {
	t.Parallel()
	const (
		good     = "235 2."
		bad      = "535 5.7.3 Authentication unsuccessful [FAKE.outlook.office365.com]"
		disabled = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
	)
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{Implicit: true, Accounts: oauthAccounts(), Tokens: issued})
	for _, c := range []struct{ mailbox, token, want string }{
		{"scanner@contoso.example", "app", good},
		{"SCANNER@contoso.example", "user", good},
		{"scanner@contoso.example", "helper", good},
		{"scanner@contoso.example", "else", bad},
		{"scanner@contoso.example", "imap", bad},
		{"scanner@contoso.example", "scope", bad},
		{"scanner@contoso.example", "graph", bad},
		{"scanner@contoso.example", "other", bad}, // no service principal that Exchange knows
		{"scanner@contoso.example", "nothing", bad},
		{"scanner@contoso.example", "revoked", bad},
		{"scanner@contoso.example", "", bad},
		{"alone@contoso.example", "app", bad},
		{"nobody@contoso.example", "app", bad},
		{"off@contoso.example", "app", disabled},
	} {
		t.Run(c.mailbox+" "+c.token, func(t *testing.T) {
			t.Parallel()
			text := secured(t, fake, server)
			smtpTurns(t, text, "AUTH XOAUTH2 "+xoauth2(c.mailbox, c.token), c.want)
			text = secured(t, fake, server)
			smtpTurns(t, text, "AUTH XOAUTH2", "334 ", xoauth2(c.mailbox, c.token), c.want)
		})
	}
}

// A right password is told from a wrong one, and serves nothing.
func TestBasicAuthenticationIsDisabled(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{Accounts: oauthAccounts(), Tokens: issued})
	mail := scan()
	mail.Password = "Pa55word"
	_, err := testenv.Direct(fake, server.Server).SendMail(t.Context(), mail)
	const want = "AUTH: 535 5.7.139 Authentication unsuccessful, basic authentication is disabled."
	if got := refusal(err); !strings.HasPrefix(got, want) {
		t.Errorf("refused by %q", got)
	}
	mail.Password = "wrong"
	_, err = testenv.Direct(fake, server.Server).SendMail(t.Context(), mail)
	if got := refusal(err); !strings.HasPrefix(got, "AUTH: 535 5.7.3 ") {
		t.Errorf("a wrong one is refused by %q", got)
	}
}

// A mailbox may have a policy of its own.
func TestMailboxThatTakesItsPassword(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	all := oauthAccounts()
	for i := range all {
		all[i].TakesPassword = true
	}
	server := serveSMTP(t, fake, fakem365.MailOptions{Accounts: all, Tokens: issued})
	mail := scan()
	mail.Password = "Pa55word"
	if _, err := testenv.Direct(fake, server.Server).SendMail(t.Context(), mail); err != nil {
		t.Error(err)
	}
}

// As Google has it, a refusal has two steps.
func TestTokenChallenge(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{Implicit: true, Accounts: oauthAccounts(), Tokens: issued, Challenge: true})
	text := secured(t, fake, server)
	says := "334 " + base64.StdEncoding.EncodeToString([]byte(`{"status":"401","schemes":"Bearer"`))[:40]
	smtpTurns(
		t, text,
		"AUTH XOAUTH2 "+xoauth2("scanner@contoso.example", "revoked"), says,
		"", "535 5.7.3 ",
		"AUTH XOAUTH2 "+base64.StdEncoding.EncodeToString([]byte("nonsense")), says,
		"", "535 5.7.3 ",
		"AUTH XOAUTH2 "+xoauth2("scanner@contoso.example", "app"), "235 ",
	)
}

func TestSendersByToken(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{Implicit: true, Accounts: oauthAccounts(), Tokens: issued})
	login := "AUTH XOAUTH2 " + xoauth2("scanner@contoso.example", "app")
	send := func(from, author, want string) []string {
		return []string{
			"MAIL FROM:<" + from + ">", "250", "RCPT TO:<boss@contoso.example>", "250", "DATA", "354",
			"From: " + author + "\r\n\r\nscan\r\n.", want,
		}
	}
	text := secured(t, fake, server)
	smtpTurns(t, text, login, "235 ")
	smtpTurns(t, text, send("scanner@contoso.example", "scanner@contoso.example", "250")...)
	smtpTurns(t, text, send("office@contoso.example", "Office@contoso.example", "250")...)
	smtpTurns(t, text, send("boss@contoso.example", "scanner@contoso.example", "550 5.7.60 ")...)
	smtpTurns(t, text, send("scanner@contoso.example", "boss@contoso.example", "554 5.2.252 SendAsDenied; ")...)
	for range 3 {
		text = secured(t, fake, server)
		smtpTurns(t, text, login, "235 ")
	}
	smtpTurns(t, text, send("scanner@contoso.example", "scanner@contoso.example", "432 4.3.2 ")...)
	if got := fmt.Sprintf("%d %s", len(server.Messages()), server.Messages()[1].Login); got != "2 scanner@contoso.example" {
		t.Errorf("taken: %s", got)
	}
}

func TestHighVolumeEmail(t *testing.T) {
	t.Parallel()
	const address = "scanner@contoso.example"
	short := claims("https://outlook.office.com", appID, "", "Mail.Send")
	short.Expires = time.Now().Add(9 * time.Minute)
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{Implicit: true, Accounts: oauthAccounts(), HVE: true, Tokens: tokens{
		"good":     claims("https://outlook.office.com", appID, "", "Mail.Send"),
		"short":    short,
		"smtp":     claims("https://outlook.office.com", appID, "", "SMTP.SendAsApp"),
		"exchange": claims(exchange, appID, "", "Mail.Send"),
		"other":    claims("https://outlook.office.com", "other", "", "Mail.Send"),
	}})
	for _, c := range []struct{ mailbox, token, want string }{
		{address, "good", "235 "},
		{"off@contoso.example", "good", "235 "},
		{address, "short", "535 5.7.142 "},
		{address, "expired", "535 5.7.143 "},
		{address, "smtp", "535 5.7.144 "},
		{address, "exchange", "535 5.7.144 "},
		{address, "other", "550 5.7.240 "},
		{address, "", "501 5.5.124 "},
		{"nobody@contoso.example", "good", "535 5.7.3 "},
	} {
		smtpTurns(t, secured(t, fake, server), "AUTH XOAUTH2 "+xoauth2(c.mailbox, c.token), c.want)
	}
	mail := scan()
	mail.Password, mail.Security = "Pa55word", fakem365.ImplicitTLS
	if _, err := testenv.Direct(fake, server.Server).SendMail(t.Context(), mail); err != nil {
		t.Errorf("a password: %v", err)
	}
}

// Whatever a client answers, nobody gets in without a token that is good.
func FuzzTokenLogin(f *testing.F) {
	for _, seed := range []string{"", "user=a\x01auth=Bearer good\x01\x01", "user=a\x01auth=Bearer x\x01\x01", "user=\x01auth=Bearer \x01"} {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, answer string, challenge bool) {
		refusal := errors.New("refused")
		login := &fakem365.TokenLogin{Challenge: challenge, Open: func(_, token string) error {
			if token == "good" {
				return nil
			}
			return refusal
		}}
		asked, done, err := login.Next([]byte(answer))
		if challenge && err == nil && !done {
			if len(asked) == 0 {
				t.Error("the challenge is empty")
			}
			_, done, err = login.Next([]byte{})
		}
		if !done || err == nil && !strings.Contains(answer, "auth=Bearer good\x01\x01") {
			t.Errorf("%q: done %t, error %v", answer, done, err)
		}
	})
}
