package mailcheck

import (
	"bufio"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// readFrom reads a reply from bytes.
func readFrom(text string, d dialect, command string) (reply, error) {
	t := &talk{in: bufio.NewReaderSize(strings.NewReader(text), maxLine)}
	return t.read(d, command)
}

func TestReplies(t *testing.T) {
	t.Parallel()
	local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}
	for _, test := range []struct {
		protocol           record.Protocol
		command, text      string
		lines              int
		ok, goesOn, offers bool
	}{
		{"smtp", "", "220-a\r\n220 b\r\nrest", 2, true, false, false},
		{"smtp", "", "421 4.3.2 busy\r\n", 1, false, false, false},
		{"smtp", "EHLO x", "250-x\n250-SIZE 1\n250-auth LOGIN xoauth2\n250 8BITMIME\n", 4, true, false, true},
		{"smtp", "EHLO x", "250-XOAUTH2 AUTH\r\n250 AUTH LOGIN XOAUTH2X\r\n", 2, true, false, false},
		{"smtp", "EHLO x", "250\r\n", 1, true, false, false},
		{"smtp", "AUTH XOAUTH2 x", "334 e30=\r\n", 1, false, true, false},
		{"imap", "", "* OK [CAPABILITY IMAP4rev1] ready\r\n", 1, true, false, false},
		{"imap", "", "* BYE no\r\n", 1, false, false, false},
		{"imap", "", "* PREAUTH hello\r\n", 1, false, false, false},
		{"imap", "t1 CAPABILITY", "* OK aside\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN auth=xoauth2\r\nt1 OK done\r\n", 3, true, false, true},
		{"imap", "t1 CAPABILITY", "* CAPABILITY IMAP4rev1\r\nt1 OK done\r\n", 2, true, false, false},
		{"imap", "t3 AUTHENTICATE XOAUTH2 x", "+ e30=\r\n", 1, false, true, false},
		{"imap", "t3 AUTHENTICATE XOAUTH2 x", "t3 NO no\r\n", 1, false, false, false},
		{"imap", "t3 AUTHENTICATE XOAUTH2 x", "* BYE overloaded\r\n", 1, false, false, false},
		{"pop3", "", "+OK ready\r\n", 1, true, false, false},
		{"pop3", "CAPA", "+OK\r\nTOP\r\nsasl PLAIN xoauth2\r\n.\r\n", 4, true, false, true},
		{"pop3", "CAPA", "-ERR what\r\n", 1, false, false, false},
		{"pop3", "AUTH XOAUTH2", "+ \r\n", 1, false, true, false},
		{"pop3", "AUTH XOAUTH2", "-ERR no\r\n", 1, false, false, false},
	} {
		d := dialects[test.protocol]
		r, err := readFrom(test.text, d, test.command)
		if err != nil || len(r.lines) != test.lines || r.ok != test.ok || r.goesOn != test.goesOn {
			t.Errorf("%s %q: got %+v, error %v", test.protocol, test.text, r, err)
		}
		if got := d.offersXOAUTH2(r); got != test.offers {
			t.Errorf("%s %q: offers XOAUTH2: %v", test.protocol, test.text, got)
		}
		if d.hello(local) == "" || strings.Contains(d.hello(local), "\r") {
			t.Errorf("%s: says %q", test.protocol, d.hello(local))
		}
	}
	for _, test := range []struct {
		protocol      record.Protocol
		command, text string
		want          record.Reason
	}{
		{"smtp", "", "", record.ReasonUpstreamClosed},
		{"smtp", "", "220-a\r\n", record.ReasonUpstreamClosed},
		{"smtp", "", "+OK\r\n", record.ReasonUpstreamReplyMalformed},
		{"smtp", "", "220!x\r\n", record.ReasonUpstreamReplyMalformed},
		{"imap", "", "+ go\r\n", record.ReasonUpstreamReplyMalformed},
		{"imap", "t1 CAPABILITY", "t2 OK other\r\n", record.ReasonUpstreamReplyMalformed},
		{"imap", "t1 CAPABILITY", "* LIST {10}\r\n", record.ReasonUpstreamReplyMalformed},
		{"pop3", "", "+ go\r\n", record.ReasonUpstreamReplyMalformed},
		{"pop3", "CAPA", "OK\r\n", record.ReasonUpstreamReplyMalformed},
		{"pop3", "CAPA", "+OK\r\nTOP\r\n", record.ReasonUpstreamClosed},
		{"pop3", "CAPA", "+OK\r\n" + strings.Repeat("X\r\n", maxLines), record.ReasonUpstreamReplyMalformed},
	} {
		_, err := readFrom(test.text, dialects[test.protocol], test.command)
		if f, is := err.(*record.Failure); !is || f.Reason != test.want {
			t.Errorf("%s %q: got %v, want %s", test.protocol, test.text, err, test.want)
		}
	}
}

// Whatever a destination says, a reply has its bounds, and a positive one was said.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"220 a\r\n", "250-a\r\n250 AUTH XOAUTH2\r\n", "* OK\r\n", "t1 OK\r\n", "+ \r\n", "+OK\r\nSASL XOAUTH2\r\n.\r\n",
	} {
		for protocol, d := range dialects {
			f.Add(string(protocol), d.hello(nil), seed)
			f.Add(string(protocol), "", seed)
		}
	}
	f.Fuzz(func(t *testing.T, protocol, command, text string) {
		d := dialects[record.Protocol(protocol)]
		if d == nil {
			return
		}
		r, err := readFrom(text, d, command)
		size := 0
		for _, line := range r.lines {
			size += len(line)
		}
		if len(r.lines) > maxLines || size > len(text) || err == nil && len(r.lines) == 0 {
			t.Errorf("got %d lines of %d bytes, error %v", len(r.lines), size, err)
		}
		if err == nil && r.ok && r.goesOn {
			t.Errorf("%q means two things", r.lines)
		}
		_, _, _ = d.offersXOAUTH2(r), r.last(), challengeText(r.last())
	})
}

func TestHello(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1:25": "EHLO [192.0.2.1]", "[2001:db8::1%eth0]:25": "EHLO [IPv6:2001:db8::1]", "[::ffff:192.0.2.1]:25": "EHLO [192.0.2.1]",
	} {
		local, err := net.ResolveTCPAddr("tcp", strings.Replace(address, "%eth0", "", 1))
		if err != nil {
			t.Fatal(err)
		}
		if got := (smtp{}).hello(local); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

func TestTestMail(t *testing.T) {
	t.Parallel()
	text := testMail("scan@contoso.com", "id", time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC))
	body, ended := strings.CutSuffix(text, "\r\n.\r\n")
	if !ended || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") || strings.Contains(body, "\r\n.") {
		t.Errorf("got %q", text)
	}
	m, err := mail.ReadMessage(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"From": "<scan@contoso.com>", "To": "<scan@contoso.com>", "Message-Id": "<id@contoso.com>", "Date": "Sat, 28 Nov 2026 01:02:03 +0000",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A refusal for now says nothing of the mailbox.
func TestRefusalReason(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		protocol record.Protocol
		line     string
		want     record.Reason
	}{
		{"smtp", "535 5.7.3 Authentication unsuccessful", record.ReasonMailboxRefused},
		{"smtp", "454 4.7.0 Temporary authentication failure", record.ReasonSMTPRejected},
		{"smtp", "504 5.7.4 Unrecognized authentication type", record.ReasonUpstreamNoXOAUTH2},
		{"imap", "t3 NO AUTHENTICATE failed.", record.ReasonMailboxRefused},
		{"imap", "t3 NO [UNAVAILABLE] later", record.ReasonUpstreamRefusedSession},
		{"imap", "* BYE overloaded", record.ReasonUpstreamRefusedSession},
		{"imap", "t3", record.ReasonMailboxRefused},
		{"pop3", "-ERR [SYS/TEMP] later", record.ReasonUpstreamRefusedSession},
		{"pop3", "-ERR", record.ReasonMailboxRefused},
	} {
		s := session{chain: &chain{Options: Options{Protocol: test.protocol}}}
		if got := s.refusalReason(reply{lines: []string{test.line}}); got != test.want {
			t.Errorf("%s %q: got %s, want %s", test.protocol, test.line, got, test.want)
		}
	}
}
