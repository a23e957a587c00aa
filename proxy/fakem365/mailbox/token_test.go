package mailbox_test

import (
	"encoding/base64"
	"errors"
	"net/textproto"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/mailbox"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// tokens are good ones, long as Microsoft's are.
type tokens map[string]fakem365.Claims

func (t tokens) Verify(token string) (fakem365.Claims, error) {
	claims, known := t[token]
	if !known {
		return claims, errors.New("it is expired or revoked")
	}
	return claims, nil
}

var (
	imapToken = strings.Repeat("i", 3000)
	popToken  = strings.Repeat("p", 3000)
	issued    = tokens{
		imapToken: {Audience: "https://outlook.office365.com", User: scanner, Permissions: []string{"IMAP.AccessAsUser.All"}},
		popToken:  {Audience: "https://outlook.office365.com", User: scanner, Permissions: []string{"POP.AccessAsUser.All"}},
	}
)

func xoauth2(token string) string {
	return base64.StdEncoding.EncodeToString([]byte("user=" + scanner + "\x01auth=Bearer " + token + "\x01\x01"))
}

func TestIMAPByToken(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveIMAP(t, fake, mailbox.Options{Implicit: true, Tokens: issued, Inbox: inbox})
	text := textproto.NewConn(testenv.DialTLS(t, testenv.Direct(fake, server.Server), target))
	until(t, text, "* ", imapGreeting)
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + scanner + "\x00" + password))
	imapTurns(
		t, text,
		"a LOGIN "+scanner+" \""+password+"\"", "a NO LOGIN failed.\n",
		"b AUTHENTICATE PLAIN "+plain, "b NO AUTHENTICATE failed.\n",
		"c AUTHENTICATE XOAUTH2 "+xoauth2(popToken), "c NO AUTHENTICATE failed.\n",
		"d AUTHENTICATE XOAUTH2 "+xoauth2("revoked"), "d NO AUTHENTICATE failed.\n",
		"e AUTHENTICATE XOAUTH2 "+xoauth2(imapToken), "e OK ",
		"f SELECT inbox", "* 3 EXISTS\n",
	)
	google := serveIMAP(t, fake, mailbox.Options{Implicit: true, Tokens: issued, Challenge: true})
	text = textproto.NewConn(testenv.DialTLS(t, testenv.Direct(fake, google.Server), target))
	until(t, text, "* ", imapGreeting)
	if err := text.PrintfLine("a AUTHENTICATE XOAUTH2 %s", xoauth2("revoked")); err != nil {
		t.Fatal(err)
	}
	until(t, text, "+ ", "+ eyJ")
	if err := text.PrintfLine(""); err != nil {
		t.Fatal(err)
	}
	until(t, text, "a ", "a NO AUTHENTICATE failed.\n")
	imapTurns(t, text, "b AUTHENTICATE XOAUTH2 "+xoauth2(imapToken), "b OK ")
}

func TestPOP3ByToken(t *testing.T) {
	t.Parallel()
	const (
		in  = "+OK User successfully authenticated."
		out = "-ERR Authentication failure: unknown user name or bad password."
	)
	fake := testenv.FakeM365(t)
	text := pop(t, fake, servePOP3(t, fake, mailbox.Options{Implicit: true, Tokens: issued}))
	popTurns(
		t, text,
		"CAPA", "+OK\nTOP\nUIDL\nUSER\nSASL PLAIN XOAUTH2\n",
		"USER "+scanner, "+OK",
		"PASS "+password, badLogon,
		"AUTH PLAIN", out,
		"AUTH XOAUTH2 "+xoauth2(popToken), out, // not in the same line
		"AUTH XOAUTH2", "+", xoauth2(imapToken), out,
		"AUTH XOAUTH2", "+", xoauth2("revoked"), out,
		"AUTH XOAUTH2", "+", "*", "-ERR The AUTH protocol exchange was canceled by the client.",
		"AUTH XOAUTH2", "+", xoauth2(popToken), in,
		"AUTH XOAUTH2", badState,
		"STAT", "+OK 3 74",
		"QUIT", signOff,
	)
	google := servePOP3(t, fake, mailbox.Options{Implicit: true, Tokens: issued, Challenge: true})
	text = pop(t, fake, google)
	const challenge = `{"status":"401","schemes":"Bearer","scope":"https://outlook.office365.com/"}`
	popTurns(
		t, text,
		"AUTH XOAUTH2", "+", xoauth2("revoked"), "+ "+base64.StdEncoding.EncodeToString([]byte(challenge)), "", out,
		"AUTH XOAUTH2", "+", xoauth2(popToken), in,
	)
}
