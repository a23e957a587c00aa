package mailbox_test

import (
	"crypto/tls"
	"encoding/base64"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/mailbox"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func serveIMAP(t *testing.T, fake *fakem365.Service, o mailbox.Options) *mailbox.Server {
	t.Helper()
	o.Accounts = accounts()
	server, err := mailbox.ServeIMAP(fake, o)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// imapTurns goes through lines, each with a tag of one letter, and what is in
// the answers to them.
func imapTurns(t *testing.T, text *textproto.Conn, script ...string) {
	t.Helper()
	for i := 0; i < len(script); i += 2 {
		if err := text.PrintfLine("%s", script[i]); err != nil {
			t.Fatal(err)
		}
		until(t, text, script[i][:2], script[i+1])
	}
}

// until reads up to a line with that beginning, and wants what to be in it all.
func until(t *testing.T, text *textproto.Conn, beginning, what string) {
	t.Helper()
	all := ""
	for {
		line, err := text.ReadLine()
		if err != nil {
			t.Fatalf("%v after %q", err, all)
		}
		all += line + "\n"
		if strings.HasPrefix(line, beginning) {
			break
		}
	}
	if !strings.Contains(all, what) {
		t.Fatalf("%q is answered, and not %q", all, what)
	}
}

const imapGreeting = "* OK The Microsoft Exchange IMAP4 service is ready. [RgBBAEsARQA=]\n"

func TestIMAP(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveIMAP(t, fake, mailbox.Options{Implicit: true, Inbox: [][]byte{[]byte("Subject: Hi\n\npage\n")}})
	conn := testenv.DialTLS(t, testenv.Direct(fake, server.Server), target)
	text := textproto.NewConn(conn)
	until(t, text, "* ", imapGreeting)
	token := base64.StdEncoding.EncodeToString([]byte("\x00" + scanner + "\x00" + password))
	imapTurns(
		t, text,
		"a CAPABILITY", "* CAPABILITY IMAP4rev1 SASL-IR LITERAL- AUTH=PLAIN AUTH=XOAUTH2\n",
		"b LOGIN "+scanner+" wrong", "b NO LOGIN failed.\n",
		"c LOGIN else@contoso.example wrong", "c NO LOGIN failed.\n",
		"d AUTHENTICATE XOAUTH2 "+token, "d NO AUTHENTICATE failed.\n",
		"e AUTHENTICATE CRAM-MD5", "e NO AUTHENTICATE failed.\n",
		"f AUTHENTICATE PLAIN AA==", "f NO ",
		"g LOGIN \""+strings.ToUpper(scanner)+"\" \""+password+"\"", "g OK ",
		"h SELECT inbox", "* 1 EXISTS\n",
		"i FETCH 1 (RFC822.SIZE BODY[])", "* 1 FETCH (UID 1 RFC822.SIZE 21 BODY[] {21}\nSubject: Hi\n\npage\n)\n",
		"j CAPABILITY", " IDLE ",
		"k APPEND INBOX {2+}\r\nhi", "k NO APPEND failed.\n",
	)
	if err := text.PrintfLine("l IDLE"); err != nil {
		t.Fatal(err)
	}
	until(t, text, "+ ", "")
	// The library says that it idles before it listens, so one delivery may be
	// missed; the next one announces both.
	seen := make(chan struct{})
	var delivering sync.WaitGroup
	delivering.Go(func() { deliverUntil(t, server, seen) })
	until(t, text, "* ", " EXISTS\n")
	close(seen)
	delivering.Wait()
	if err := text.PrintfLine("DONE"); err != nil {
		t.Fatal(err)
	}
	until(t, text, "l ", "l OK ")
	imapTurns(t, text, "m LOGOUT", "m OK ")
	if line, err := text.ReadLine(); err == nil {
		t.Errorf("then comes %q", line)
	}
}

// deliverUntil delivers a message again and again until it is seen.
func deliverUntil(t *testing.T, server *mailbox.Server, seen <-chan struct{}) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if err := server.Deliver([]byte("Subject: more\n\n")); err != nil {
			t.Error(err)
			return
		}
		select {
		case <-seen:
			return
		case <-again.C:
		}
	}
}

func TestIMAPBySTARTTLS(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveIMAP(t, fake, mailbox.Options{})
	text, raw := testenv.DialText(t, server.Server)
	until(t, text, "* ", imapGreeting)
	imapTurns(
		t, text,
		"a CAPABILITY", "* CAPABILITY IMAP4rev1 SASL-IR LITERAL- STARTTLS LOGINDISABLED\n",
		"b LOGIN "+scanner+" \""+password+"\"", "b NO ",
		"c STARTTLS", "c OK ",
	)
	text = testenv.StartTLS(t, fake, raw, host, tls.VersionTLS12)
	imapTurns(
		t, text,
		"d CAPABILITY", "* CAPABILITY IMAP4rev1 SASL-IR LITERAL- AUTH=PLAIN AUTH=XOAUTH2\n",
		"e LOGIN "+scanner+" \""+password+"\"", "e OK ",
	)
	if h := server.Handshakes(); h.Completed != 1 || h.Last.ServerName != host {
		t.Errorf("handshakes %+v", h)
	}
}

func TestIMAPRefusesOldTLS(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	implicit := serveIMAP(t, fake, mailbox.Options{Implicit: true})
	client := testenv.Direct(fake, implicit.Server)
	client.MaxVersion = tls.VersionTLS11
	if _, err := client.Dial(t.Context(), target); fakem365.Alert(err) != "protocol version not supported" {
		t.Errorf("error %v", err)
	}
	server := serveIMAP(t, fake, mailbox.Options{})
	text, raw := testenv.DialText(t, server.Server)
	until(t, text, "* ", imapGreeting)
	imapTurns(t, text, "a STARTTLS", "a OK ")
	old := tls.Client(raw, &tls.Config{RootCAs: fake.Roots(), ServerName: host, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err := old.HandshakeContext(t.Context()); fakem365.Alert(err) != "protocol version not supported" {
		t.Errorf("error %v", err)
	}
	server.Close() // which the counting precedes
	if h := server.Handshakes(); h.Completed != 0 || h.Failed != 1 {
		t.Errorf("handshakes %+v", h)
	}
}
