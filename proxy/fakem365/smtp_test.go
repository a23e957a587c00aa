package fakem365_test

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func serveSMTP(t *testing.T, fake *fakem365.Service, o fakem365.MailOptions) *fakem365.MailServer {
	t.Helper()
	if o.Accounts == nil {
		o.Accounts = accounts()
	}
	server, err := fake.ServeSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

var (
	before = []string{
		"8BITMIME", "BINARYMIME", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "PIPELINING",
		"SIZE 157286400", "SMTPUTF8", "STARTTLS",
	}
	after = []string{
		"8BITMIME", "AUTH LOGIN XOAUTH2", "BINARYMIME", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "PIPELINING",
		"SIZE 157286400", "SMTPUTF8",
	}
)

func TestSubmission(t *testing.T) {
	t.Parallel()
	for name, implicit := range map[string]bool{"STARTTLS": false, "implicit": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := testenv.FakeM365(t)
			server := serveSMTP(t, fake, fakem365.MailOptions{Implicit: implicit})
			mail := scan()
			if implicit {
				mail.Security = fakem365.ImplicitTLS
			}
			sent, err := testenv.Direct(fake, server.Server).SendMail(t.Context(), mail)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(sent.Greeting, ".outlook.office365.com Microsoft ESMTP MAIL Service ready at ") {
				t.Errorf("greeting %q", sent.Greeting)
			}
			if slices.Sort(sent.Extensions); !slices.Equal(sent.Extensions, after) {
				t.Errorf("it offers %q", sent.Extensions)
			}
			if sent.TLS.Version != tls.VersionTLS13 {
				t.Errorf("sent over %s", tls.VersionName(sent.TLS.Version))
			}
			got := server.Messages()
			if len(got) != 1 {
				t.Fatalf("%d messages", len(got))
			}
			m := got[0]
			if m.From != "scanner@contoso.example" || !slices.Equal(m.To, mail.To) || m.Helo != "scanner" ||
				m.Login != "scanner@contoso.example" || string(m.Data) != letter || m.TLS.Version != tls.VersionTLS13 {
				t.Errorf("message %+v", m)
			}
			if h := server.Handshakes(); h.Completed != 1 || h.Failed != 0 || h.Last.ServerName != "smtp.office365.com" {
				t.Errorf("handshakes %+v", h)
			}
		})
	}
}

func TestSubmissionRefuses(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{MaxMessage: 1000})
	for name, test := range map[string]struct {
		change func(*fakem365.Mail)
		want   string
	}{
		"a wrong password": {
			func(m *fakem365.Mail) { m.Password = "else" }, "AUTH: 535 5.7.3 Authentication unsuccessful [",
		},
		"an unknown user": {
			func(m *fakem365.Mail) { m.User = "else@contoso.example" }, "AUTH: 535 5.7.3 Authentication unsuccessful [",
		},
		"a mailbox without SMTP": {
			func(m *fakem365.Mail) { m.User = "off@contoso.example" },
			"AUTH: 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. " +
				"Visit https://aka.ms/smtp_auth_disabled",
		},
		"nobody": {
			func(m *fakem365.Mail) { m.User = "" }, "MAIL: 530 5.7.57 Client not authenticated to send mail",
		},
		"plaintext": {
			func(m *fakem365.Mail) { m.User, m.Security = "", fakem365.NoTLS },
			"MAIL: 530 5.7.57 Client not authenticated to send mail",
		},
		"a password in plaintext": {
			func(m *fakem365.Mail) { m.Security = fakem365.NoTLS }, "the mail server offers no AUTH LOGIN",
		},
		"a password in plaintext that it did not ask for": {
			func(m *fakem365.Mail) { m.Security, m.HELO = fakem365.NoTLS, true },
			"AUTH: 504 5.7.4 Unrecognized authentication type",
		},
		"another sender": {
			func(m *fakem365.Mail) { m.From = "boss@contoso.example" },
			"DATA: 550 5.7.60 SMTP; Client does not have permissions to send as this sender",
		},
		"another author": {
			func(m *fakem365.Mail) { m.Data = []byte("From: boss@contoso.example\n\n") },
			"DATA: 554 5.2.252 SendAsDenied; scanner@contoso.example not allowed to send as boss@contoso.example",
		},
		"too much": {
			func(m *fakem365.Mail) { m.Data = []byte(letter + strings.Repeat("page\r\n", 200)) }, "DATA: 552 5.3.4 ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mail := scan()
			test.change(&mail)
			_, err := testenv.Direct(fake, server.Server).SendMail(t.Context(), mail)
			if got := refusal(err); !strings.HasPrefix(got, test.want) {
				t.Errorf("refused by %q, want %q", got, test.want)
			}
		})
	}
	t.Cleanup(func() {
		if got := server.Messages(); len(got) != 0 {
			t.Errorf("took %+v", got)
		}
	})
}

// Microsoft lets TLS 1.0 shake hands, so that the device shows a reply.
func TestOldTLSIsToldByReply(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{})
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		for _, helo := range []bool{false, true} {
			client, mail := testenv.Direct(fake, server.Server), scan()
			client.MaxVersion, mail.HELO = version, helo
			sent, err := client.SendMail(t.Context(), mail)
			want := "421 4.7.66 TLS 1.0 and 1.1 are not supported. Please upgrade/update your client to support TLS 1.2. " +
				"Visit https://aka.ms/smtp_auth_tls"
			if got := refusal(err); !strings.HasSuffix(got, want) || sent.TLS.Version != version {
				t.Errorf("%s: %q", tls.VersionName(version), got)
			}
		}
	}
}

// The reply is the last thing that an old client hears.
func TestOldTLSIsCutOff(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{})
	text, raw := testenv.DialText(t, server.Server)
	converse(t, text, "", "220 ", "EHLO x", "250 ", "STARTTLS", "220 ")
	text = testenv.StartTLS(t, fake, raw, host, tls.VersionTLS10)
	converse(t, text, "EHLO x", "421 4.7.66 ")
	if line, err := text.ReadLine(); !errors.Is(err, io.EOF) {
		t.Errorf("then comes %q, %v", line, err)
	}
}

func TestSubmissionByOldTLSOnPurpose(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{TLS: fakem365.TLSOptions{MinVersion: tls.VersionTLS10}})
	client := testenv.Direct(fake, server.Server)
	client.MaxVersion = tls.VersionTLS10
	if _, err := client.SendMail(t.Context(), scan()); err != nil {
		t.Error(err)
	}
}

func TestOldSuitesAreRefusedByAlert(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{})
	client := testenv.Direct(fake, server.Server)
	client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	_, err := client.SendMail(t.Context(), scan())
	if fakem365.Alert(err) != "handshake failure" {
		t.Errorf("error %v", err)
	}
	client.Roots = nil // and this one refuses the server
	client.MaxVersion, client.CipherSuites = 0, nil
	if _, err = client.SendMail(t.Context(), scan()); err == nil {
		t.Error("a server below the test root is trusted without it")
	}
	server.Close() // which the counting precedes
	if h := server.Handshakes(); h.Completed != 0 || h.Failed != 2 {
		t.Errorf("handshakes %+v", h)
	}
}

// Nothing in plaintext follows the alert.
func TestFailedHandshakeEndsTheConnection(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{MX: true})
	text, raw := testenv.DialText(t, server.Server)
	converse(t, text, "", "220 FAKE.mail.protection.outlook.com ", "EHLO x", "250 ", "STARTTLS", "220 ")
	old := tls.Client(raw, &tls.Config{
		RootCAs: fake.Roots(), ServerName: host, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
	})
	if err := old.HandshakeContext(t.Context()); fakem365.Alert(err) != "protocol version not supported" {
		t.Errorf("error %v", err)
	}
	if rest, err := io.ReadAll(raw); err != nil || len(rest) != 0 {
		t.Errorf("then comes %q, %v", rest, err)
	}
}

func TestNoiseAfterSTARTTLSEndsTheConnection(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{})
	text, raw := testenv.DialText(t, server.Server)
	converse(t, text, "", "220 ", "EHLO x", "250 ", "STARTTLS", "220 ")
	if _, err := io.WriteString(raw, "EHLO again\r\n"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(text.R); err != nil || strings.Contains(string(rest), "550 ") {
		t.Errorf("then comes %q, %v", rest, err)
	}
	server.Close()
	if h := server.Handshakes(); h.Failed != 1 {
		t.Errorf("handshakes %+v", h)
	}
}

func TestMX(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{MX: true})
	for i, security := range []fakem365.MailSecurity{fakem365.NoTLS, fakem365.StartTLS} {
		mail := scan()
		mail.Server, mail.Security, mail.User, mail.From = "mx.office365.com:25", security, "", "anyone@example.com"
		sent, err := testenv.Direct(fake, server.Server).SendMail(t.Context(), mail)
		if err != nil {
			t.Fatal(err)
		}
		if offers := strings.Join(sent.Extensions, ","); strings.Contains(offers, "AUTH") {
			t.Errorf("it offers %s", offers)
		}
		m := server.Messages()[i]
		if m.From != "anyone@example.com" || m.Login != "" || m.TLS.Version != sent.TLS.Version {
			t.Errorf("message %+v", m)
		}
		if (m.TLS.Version == 0) != (security == fakem365.NoTLS) {
			t.Errorf("%v came over TLS %x", security, m.TLS.Version)
		}
	}
}

func TestDialogueOfSubmission(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{})
	text, raw := testenv.DialText(t, server.Server)
	converse(t, text, "", "220 ", "NOOP", "250 ")
	offers := strings.Split(converse(t, text, "EHLO x", "250 "), "\n")[1:]
	if slices.Sort(offers); !slices.Equal(offers, before) {
		t.Errorf("before TLS it offers %q", offers)
	}
	converse(t, text, "AUTH LOGIN", "504 5.7.4 ", "STARTTLS", "220 2.0.0 ")
	text = testenv.StartTLS(t, fake, raw, host, tls.VersionTLS12)
	user := base64.StdEncoding.EncodeToString([]byte(scanner))
	pass := base64.StdEncoding.EncodeToString([]byte(password))
	converse(t, text,
		"EHLO x", "250 ",
		"AUTH PLAIN", "504 5.7.4 ",
		"AUTH XOAUTH2 "+user, "535 5.7.3 ",
		"AUTH XOAUTH2", "334 ", user, "535 5.7.3 ",
		"AUTH LOGIN", "334 VXNlcm5hbWU6", "*", "501 ",
		"AUTH LOGIN "+user, "334 UGFzc3dvcmQ6", pass, "235 ",
		"MAIL FROM:<"+scanner+"> BODY=BINARYMIME SIZE=12", "250 ",
		"RCPT TO:<one@example.com>", "250 ",
		"BDAT 5\r\nSubje", "250 ",
		"BDAT 7 LAST\r\nct\r\n\r\n.", "250 ",
		"MAIL FROM:<"+scanner+"> SIZE=157286401", "552 5.3.4 ",
		"MAIL FROM:<"+scanner+">", "250 ",
		"RSET", "250 ",
		"RCPT TO:<one@example.com>", "502 ",
		"QUIT", "221 ",
	)
	if got := server.Messages(); len(got) != 1 || string(got[0].Data) != "Subject\r\n\r\n." {
		t.Errorf("took %+v", got)
	}
}

// Microsoft refuses the fourth connection when it sends.
func TestFourthSessionOfMailbox(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{})
	open := func() *textproto.Conn {
		text, raw := testenv.DialText(t, server.Server)
		converse(t, text, "", "220 ", "EHLO x", "250 ", "STARTTLS", "220 ")
		text = testenv.StartTLS(t, fake, raw, host, tls.VersionTLS12)
		converse(t, text, "EHLO x", "250 ",
			"AUTH LOGIN "+base64.StdEncoding.EncodeToString([]byte(strings.ToUpper(scanner))), "334 ",
			base64.StdEncoding.EncodeToString([]byte(password)), "235 ")
		return text
	}
	first := open()
	open()
	open()
	const tooMany = "DATA: 432 4.3.2 Concurrent connections limit exceeded. "
	send := func() error {
		_, err := testenv.Direct(fake, server.Server).SendMail(t.Context(), scan())
		return err
	}
	if got := refusal(send()); !strings.HasPrefix(got, tooMany) {
		t.Errorf("refused by %q", got)
	}
	converse(t, first, "QUIT", "221 ")
	if _, err := first.ReadLine(); err == nil {
		t.Error("the connection stays open")
	}
	// The server may not have seen yet that the refused client has closed.
	err := send()
	for end := time.Now().Add(testenv.Patience); strings.HasPrefix(refusal(err), tooMany) && time.Now().Before(end); {
		err = send()
	}
	if err != nil {
		t.Error(err)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{MX: true})
	text, _ := testenv.DialText(t, server.Server)
	converse(t, text, "", "220 ", "EHLO x", "250 ")
	for i := range 101 {
		converse(t, text, fmt.Sprintf("MAIL FROM:<%d@example.com>", i), "250 ",
			"RCPT TO:<one@example.com>", "250 ", "DATA", "354 ", ".", "250 ")
	}
	if got := server.Messages(); len(got) != 100 || got[0].From != "1@example.com" {
		t.Errorf("%d messages, the first from %s", len(got), got[0].From)
	}
	for i := range 500 {
		if i == 0 {
			converse(t, text, "MAIL FROM:<>", "250 ")
		}
		converse(t, text, "RCPT TO:<one@example.com>", "250 ")
	}
	converse(t, text, "RCPT TO:<one@example.com>", "452 4.5.3 ")
}

func TestOverlongLineEndsTheConnection(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	text, _ := testenv.DialText(t, serveSMTP(t, fake, fakem365.MailOptions{}).Server)
	converse(t, text, "", "220 ", "EHLO x"+strings.Repeat("y", 13<<10), "500 ")
	if _, err := text.ReadLine(); err == nil {
		t.Error("the connection stays open")
	}
}
