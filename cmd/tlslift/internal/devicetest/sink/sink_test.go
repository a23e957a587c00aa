package sink

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// talk lets a device say all lines, without waiting, and returns what it was answered.
func talk(t *testing.T, s *Session, said string) (answers string, end End) {
	t.Helper()
	client, server := testenv.Pipe(t)
	s.Idle = 10 * time.Second
	done := make(chan string)
	go func() {
		all, _ := io.ReadAll(client)
		done <- string(all)
	}()
	if _, err := io.WriteString(client, said); err != nil {
		t.Fatal(err)
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	end, _ = s.Serve(server, bufio.NewReader(server))
	_ = server.Close()
	return <-done, end
}

const secret = "hunter2 hunter2x"

// What an administrator needs is noted of each way to sign in, and never the password.
func TestSignIns(t *testing.T) {
	t.Parallel()
	all := []string{"LOGIN", "PLAIN", "CRAM-MD5", "NTLM"}
	for name, tt := range map[string]struct {
		protocol record.Protocol
		said     string
		want     Seen
		offered  []string
	}{
		"SMTP LOGIN": {
			"smtp", "EHLO scanner\r\nAUTH LOGIN\r\n" + b64("scan@contoso.com") + "\r\n" + b64(secret) + "\r\nQUIT\r\n",
			Seen{Mechanism: "LOGIN", SignedIn: true, User: "scan@contoso.com", Password: "9 to 16 bytes"}, all,
		},
		"SMTP LOGIN with the name": {
			"smtp", "EHLO scanner\r\nAUTH LOGIN " + b64("scan") + "\r\n" + b64("") + "=\r\nQUIT\r\n",
			Seen{Mechanism: "LOGIN", SignedIn: true, User: "scan", Password: "empty"}, all,
		},
		"SMTP PLAIN": {
			"smtp", "EHLO scanner\r\nAUTH PLAIN " + b64("\x00scan\x00"+secret+secret+secret) + "\r\nQUIT\r\n",
			Seen{Mechanism: "PLAIN", SignedIn: true, User: "scan", Password: "33 to 64 bytes"}, all,
		},
		"SMTP CRAM-MD5": {
			"smtp", "EHLO scanner\r\nAUTH CRAM-MD5\r\n" + b64("scan 0123456789abcdef0123456789abcdef") + "\r\nQUIT\r\n",
			Seen{Mechanism: "CRAM-MD5", SignedIn: true, User: "scan"}, all,
		},
		"SMTP NTLM is never carried out": {
			"smtp", "EHLO scanner\r\nAUTH NTLM " + b64("NTLMSSP\x00\x01") + "\r\nQUIT\r\n", Seen{Mechanism: "NTLM"}, all,
		},
		"SMTP PLAIN that is not offered": {
			"smtp", "EHLO scanner\r\nAUTH PLAIN " + b64("\x00scan\x00"+secret) + "\r\nQUIT\r\n", Seen{Mechanism: "PLAIN"}, all[:1],
		},
		"SMTP cancelled": {"smtp", "EHLO scanner\r\nAUTH LOGIN\r\n*\r\nQUIT\r\n", Seen{Mechanism: "LOGIN"}, all},
		"a password in the place of a mechanism": {
			"smtp", "EHLO scanner\r\nAUTH " + secret + "\r\n" + secret + "\r\nQUIT\r\n", Seen{Mechanism: "of another name"}, all,
		},
		"IMAP LOGIN": {
			"imap", "a CAPABILITY\r\nb LOGIN scan \"" + secret + "\"\r\nc SELECT INBOX\r\nd UID SEARCH ALL\r\ne LOGOUT\r\n",
			Seen{Mechanism: "LOGIN", SignedIn: true, User: "scan", Password: "9 to 16 bytes"}, all,
		},
		"IMAP LOGIN with literals": {
			"imap", "b LOGIN {4}\r\nscan {16+}\r\n" + secret + "\r\ne LOGOUT\r\n",
			Seen{Mechanism: "LOGIN", SignedIn: true, User: "scan", Password: "9 to 16 bytes"}, all,
		},
		"IMAP AUTHENTICATE": {
			"imap", "b AUTHENTICATE PLAIN\r\n" + b64("\x00scan\x00"+secret) + "\r\ne LOGOUT\r\n",
			Seen{Mechanism: "PLAIN", SignedIn: true, User: "scan", Password: "9 to 16 bytes"}, all,
		},
		"POP3 USER": {
			"pop3", "CAPA\r\nUSER scan\r\nPASS " + secret + "\r\nSTAT\r\nUIDL\r\nRETR 1\r\nQUIT\r\n",
			Seen{Mechanism: "USER", SignedIn: true, User: "scan", Password: "9 to 16 bytes"}, all,
		},
		"POP3 AUTH": {
			"pop3", "AUTH\r\nAUTH LOGIN\r\n" + b64("scan") + "\r\n" + b64(secret) + "\r\nQUIT\r\n",
			Seen{Mechanism: "LOGIN", SignedIn: true, User: "scan", Password: "9 to 16 bytes"}, all,
		},
		"POP3 APOP": {"pop3", "APOP scan 0123456789abcdef\r\nQUIT\r\n", Seen{Mechanism: "APOP", User: "scan"}, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Session{Protocol: tt.protocol, Secure: true, Mechanisms: tt.offered}
			answers, _ := talk(t, s, tt.said)
			got := s.Seen
			if shown := fmt.Sprintf("%+v", got); strings.Contains(shown+answers, "hunter2") || strings.Contains(shown, b64(secret)) {
				t.Errorf("the password is shown: %s", shown)
			}
			if !got.Quit {
				t.Errorf("the session did not come to its end:\n%s", answers)
			}
			got = Seen{Mechanism: got.Mechanism, SignedIn: got.SignedIn, User: got.User, Password: got.Password}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v after\n%s", got, answers)
			}
		})
	}
}

// Mails are measured and thrown away.
func TestMails(t *testing.T) {
	t.Parallel()
	head := "EHLO scanner <HP>\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
	for name, tt := range map[string]struct {
		said  string
		want  Seen
		quits bool
	}{
		"DATA":    {head + "DATA\r\nSubject: x\r\n\r\n..\r\nlonger\r\n.\r\nQUIT\r\n", Seen{Mails: 1, MailBytes: 29, LongestLine: 10}, true},
		"bare LF": {head + "DATA\r\nSubject: x\nbody\r\n.\r\nQUIT\r\n", Seen{Mails: 1, MailBytes: 20, LongestLine: 10, BareLF: true}, true},
		"8 bit":   {head + "DATA\r\n\xc3\xa4\r\n.\r\nQUIT\r\n", Seen{Mails: 1, MailBytes: 7, LongestLine: 2, EightBit: true}, true},
		"BDAT": {
			head + "BDAT 4\r\nab\r\nBDAT 3 LAST\r\ncd\nQUIT\r\n",
			Seen{Mails: 1, MailBytes: 7, LongestLine: 2, BareLF: true, BDAT: true}, true,
		},
		"no size":   {head + "BDAT x LAST\r\nQUIT\r\n", Seen{}, false},
		"two mails": {head + "DATA\r\n.\r\nRSET\r\nDATA\r\nx\r\n.\r\nQUIT\r\n", Seen{Mails: 2, MailBytes: 6, LongestLine: 1}, true},
		"cut off":   {head + "DATA\r\nabc\r\n", Seen{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Session{Protocol: record.ProtocolSMTP, Secure: true}
			answers, _ := talk(t, s, tt.said)
			got := s.Seen
			if got.Hello != "EHLO" || got.Name != "scanner-HP" || got.Quit != tt.quits {
				t.Errorf("got %+v after\n%s", got, answers)
			}
			got = Seen{
				Mails: got.Mails, MailBytes: got.MailBytes, LongestLine: got.LongestLine, BareLF: got.BareLF, EightBit: got.EightBit,
				BDAT: got.BDAT,
			}
			if name == "cut off" {
				got.LongestLine = 0
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v after\n%s", got, answers)
			}
		})
	}
}

// Without TLS nothing is taken, unless that is permitted; TLS begins where the protocol has it.
func TestBeforeTLS(t *testing.T) {
	t.Parallel()
	for protocol, said := range map[record.Protocol][2]string{
		"smtp": {"EHLO x\r\nAUTH PLAIN AHNjYW4AaHVudGVyMg==\r\nMAIL FROM:<a@b>\r\n", "STARTTLS\r\n"},
		"imap": {"a LOGIN scan hunter2\r\nb SELECT INBOX\r\n", "c STARTTLS\r\n"},
		"pop3": {"USER scan\r\nPASS hunter2\r\n", "STLS\r\n"},
	} {
		for _, plaintext := range []bool{false, true} {
			s := &Session{Protocol: protocol, Plaintext: plaintext, Mechanisms: []string{"PLAIN", "LOGIN"}}
			answers, end := talk(t, s, said[0]+said[1])
			if s.Seen.Refused == plaintext || s.Seen.SignedIn != plaintext || (end == StartTLS) == plaintext || s.Seen.StartTLS == plaintext {
				t.Errorf("%s, plaintext %v: got %+v, %v after\n%s", protocol, plaintext, s.Seen, end, answers)
			}
		}
	}
}

// What has no end is cut off.
func TestBounds(t *testing.T) {
	t.Parallel()
	const smtp, imap = record.ProtocolSMTP, record.ProtocolIMAP
	for name, tt := range map[string]struct {
		protocol record.Protocol
		said     string
		before   int64 // bytes that came before
	}{
		"a line":            {smtp, strings.Repeat("x", maxLine+2) + "\r\nQUIT\r\n", 0},
		"commands":          {smtp, strings.Repeat("NOOP\r\n", maxCommands+10) + "QUIT\r\n", 0},
		"a piece":           {smtp, "BDAT 999999999999 LAST\r\nQUIT\r\n", 0},
		"commands in all":   {smtp, "NOOP\r\nNOOP\r\nQUIT\r\n", maxBytes - 10},
		"mails in all":      {smtp, "MAIL FROM:<a@b>\r\nDATA\r\nlonger than that\r\n.\r\nQUIT\r\n", maxBytes - 30},
		"pieces in all":     {smtp, "BDAT 20 LAST\r\n01234567890123456789QUIT\r\n", maxBytes - 30},
		"a literal":         {imap, "a LOGIN {999999999}\r\na LOGOUT\r\n", 0},
		"a whole literal":   {imap, fmt.Sprintf("a LOGIN {%d}\r\n%s x\r\na LOGOUT\r\n", maxLine+1, strings.Repeat("x", maxLine+1)), 0},
		"literals in all":   {imap, "a LOGIN {4}\r\nscan {4}\r\nscan\r\na LOGOUT\r\n", maxBytes - 20},
		"a literal to skip": {imap, "a APPEND INBOX {999999999}\r\na LOGOUT\r\n", 0},
	} {
		s := &Session{Protocol: tt.protocol, Secure: true, wire: wire{bytes: tt.before}}
		talk(t, s, tt.said)
		if s.Seen.Quit || len(s.Seen.Commands) > maxNoted {
			t.Errorf("%s: the session went on", name)
		}
	}
}

// A word that is no command may be a part of a password, and is not shown.
func TestUnknownWords(t *testing.T) {
	t.Parallel()
	for protocol, said := range map[record.Protocol]string{
		"smtp": "EHLO scanner\r\nhunter2 x\r\nQUIT\r\n", "imap": "a hunter2 x\r\na LOGOUT\r\n", "pop3": "hunter2\r\nQUIT\r\n",
	} {
		s := &Session{Protocol: protocol, Secure: true}
		answers, _ := talk(t, s, said)
		if shown := fmt.Sprintf("%+v", s.Seen); strings.Contains(strings.ToLower(shown+answers), "hunter2") || !strings.Contains(shown, "?") {
			t.Errorf("%s: got %s after\n%s", protocol, shown, answers)
		}
	}
}

// FuzzSession feeds anything to each protocol: no panic, no secret, and bounded notes.
func FuzzSession(f *testing.F) {
	for i, said := range []string{
		"EHLO x\r\nAUTH LOGIN\r\nc2Nhbg==\r\naHVudGVyMg==\r\nMAIL FROM:<a@b>\r\nDATA\r\nx\r\n.\r\nBDAT 3 LAST\r\nabcQUIT\r\n",
		"a LOGIN {4}\r\nscan {7+}\r\nhunter2\r\nb APPEND INBOX {3}\r\nabc\r\nc IDLE\r\nDONE\r\nd LOGOUT\r\n",
		"USER scan\r\nPASS hunter2\r\nAUTH PLAIN AHNjYW4AaHVudGVyMg==\r\nQUIT\r\n",
	} {
		f.Add(byte(i), []byte(said))
	}
	f.Fuzz(func(t *testing.T, how byte, said []byte) {
		s := &Session{
			Protocol: []record.Protocol{record.ProtocolSMTP, record.ProtocolIMAP, record.ProtocolPOP3}[how%3],
			Secure:   how&4 != 0, Plaintext: how&8 != 0, Mechanisms: []string{"LOGIN", "PLAIN", "CRAM-MD5"}, Idle: time.Minute,
		}
		conn := &scripted{Reader: strings.NewReader(string(said))}
		_, _ = s.Serve(conn, bufio.NewReader(conn))
		if len(s.Seen.Commands) > maxNoted || len(s.Seen.User) > maxValue || len(s.Seen.Name) > maxValue {
			t.Fatalf("got %+v", s.Seen)
		}
		if s.Seen.SignedIn && !s.Secure && !s.Plaintext {
			t.Fatal("signed in without TLS")
		}
	})
}

// A scripted connection has what a device says, and throws away what it is answered.
type scripted struct {
	io.Reader
	net.Conn
}

func (s *scripted) Read(p []byte) (int, error)    { return s.Reader.Read(p) }
func (*scripted) Write(p []byte) (int, error)     { return len(p), nil }
func (*scripted) SetDeadline(time.Time) error     { return nil }
func (*scripted) SetReadDeadline(time.Time) error { return nil }
