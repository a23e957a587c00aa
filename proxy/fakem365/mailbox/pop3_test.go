package mailbox_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/mailbox"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const popGreeting = "+OK The Microsoft Exchange POP3 service is ready. [RgBBAEsARQA=]"

var inbox = [][]byte{
	[]byte("Subject: One\n\nfirst\n.second\nthird\n"),
	[]byte("Subject: Two\r\n\r\n"),
	[]byte("no header, no end"),
}

func servePOP3(t *testing.T, fake *fakem365.Service, o mailbox.Options) *mailbox.Server {
	t.Helper()
	o.Accounts, o.Inbox = accounts(), inbox
	server, err := mailbox.ServePOP3(fake, o)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// pop opens TLS and reads the greeting.
func pop(t *testing.T, fake *fakem365.Service, server *mailbox.Server) *textproto.Conn {
	t.Helper()
	text := textproto.NewConn(testenv.DialTLS(t, testenv.Direct(fake, server.Server), target))
	until(t, text, popGreeting, "")
	return text
}

// popTurns goes through lines and the answers to them. One with more lines than
// one is read to its dot.
func popTurns(t *testing.T, text *textproto.Conn, script ...string) {
	t.Helper()
	for i := 0; i < len(script); i += 2 {
		if err := text.PrintfLine("%s", script[i]); err != nil {
			t.Fatal(err)
		}
		got, err := text.ReadLine()
		if strings.Contains(script[i+1], "\n") && err == nil {
			var rest []byte
			rest, err = io.ReadAll(text.DotReader())
			got += "\n" + string(rest)
		}
		if got != script[i+1] || err != nil {
			t.Fatalf("%.60q is answered %q, %v; want %q", script[i], got, err, script[i+1])
		}
	}
}

const (
	logon    = "+OK User successfully logged on."
	badLogon = "-ERR Logon failure: unknown user name or bad password."
	badState = "-ERR Command is not valid in this state."
	badName  = "-ERR The message number is not valid."
	signOff  = "+OK Microsoft Exchange Server POP3 server signing off."
)

func TestPOP3(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := servePOP3(t, fake, mailbox.Options{Implicit: true})
	text := pop(t, fake, server)
	popTurns(
		t, text,
		"CAPA", "+OK\nTOP\nUIDL\nUSER\n",
		"STAT", badState, "STLS", badState, "else", badState, "", badState,
		"PASS "+password, badLogon,
		"USER "+scanner, "+OK", "PASS wrong", badLogon,
		"user "+strings.ToUpper(scanner), "+OK", "pass "+password, logon,
		"CAPA", "+OK\nTOP\nUIDL\n",
		"USER "+scanner, badState,
		"STAT", "+OK 3 74",
		"LIST", "+OK\n1 39\n2 16\n3 19\n", "LIST 2", "+OK 2 16", "LIST 4", badName, "LIST x", badName, "LIST 0", badName,
		"UIDL", "+OK\n1 1\n2 2\n3 3\n", "UIDL 3", "+OK 3 3",
		"RETR 1", "+OK\nSubject: One\n\nfirst\n.second\nthird\n", "RETR", badName,
		"TOP 1 0", "+OK\nSubject: One\n\n", "TOP 1 2", "+OK\nSubject: One\n\nfirst\n.second\n",
		"TOP 1 2147483647", "+OK\nSubject: One\n\nfirst\n.second\nthird\n",
		"TOP 3 0", "+OK\nno header, no end\n",
		"TOP 1", "-ERR The number of lines is not valid.", "TOP 4 1", badName,
		"NOOP", "+OK",
		"DELE 1", "+OK", "DELE 1", badName, "RETR 1", badName, "STAT", "+OK 2 35", "LIST", "+OK\n2 16\n3 19\n",
		"RSET", "+OK", "STAT", "+OK 3 74", "DELE 2", "+OK",
	)
	if err := server.Deliver([]byte("Subject: Four\n\n")); err != nil {
		t.Fatal(err)
	}
	popTurns(t, text, "STAT", "+OK 2 58", "QUIT", signOff)
	if line, err := text.ReadLine(); !errors.Is(err, io.EOF) {
		t.Errorf("then comes %q, %v", line, err)
	}
	text = pop(t, fake, server)
	popTurns(
		t, text, "USER "+scanner, "+OK", "PASS "+password, logon,
		"UIDL", "+OK\n1 1\n2 3\n3 4\n", "DELE 1", "+OK",
	)
	text.Close() // without QUIT nothing is deleted
	text = pop(t, fake, server)
	popTurns(t, text, "USER "+scanner, "+OK", "PASS "+password, logon, "UIDL", "+OK\n1 1\n2 3\n3 4\n")
}

func TestPOP3BySTLS(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := servePOP3(t, fake, mailbox.Options{})
	text, raw := testenv.DialText(t, server.Server)
	until(t, text, popGreeting, "")
	popTurns(
		t, text, "CAPA", "+OK\nTOP\nUIDL\nSTLS\n", "USER "+scanner, badState, "PASS "+password, badState,
		"STLS", "+OK Begin TLS negotiation.",
	)
	text = testenv.StartTLS(t, fake, raw, host, tls.VersionTLS12)
	popTurns(t, text, "STLS", badState, "USER "+scanner, "+OK", "PASS "+password, logon, "RETR 2", "+OK\nSubject: Two\n\n")
	if h := server.Handshakes(); h.Completed != 1 || h.Last.ServerName != host {
		t.Errorf("handshakes %+v", h)
	}
}

func TestPOP3RefusesOldTLS(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := servePOP3(t, fake, mailbox.Options{Implicit: true})
	client := testenv.Direct(fake, server.Server)
	client.MaxVersion = tls.VersionTLS11
	if _, err := client.Dial(t.Context(), target); fakem365.Alert(err) != "protocol version not supported" {
		t.Errorf("error %v", err)
	}
}

func TestPOP3EndsWhatIsNotPOP3(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := servePOP3(t, fake, mailbox.Options{})
	for name, noise := range map[string]string{
		"a long line":            strings.Repeat("x", 1<<10) + "\r\n",
		"a command after STLS":   "STLS\r\nUSER x\r\n",
		"a long line to the end": strings.Repeat("x", 512),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, raw := testenv.DialText(t, server.Server)
			until(t, text, popGreeting, "")
			if _, err := fmt.Fprint(raw, noise); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(text.R); string(rest) != "-ERR Protocol error. Connection is closed.\r\n" || err != nil {
				t.Errorf("it is answered %q, %v", rest, err)
			}
		})
	}
}
