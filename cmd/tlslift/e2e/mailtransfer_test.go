package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/smtp"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	attachmentSize = 25 << 20
	fetchedSize    = 50 << 20
	crowd          = 200
)

// mailWithAttachment is a mail with size random bytes in it.
func mailWithAttachment(t *testing.T, size int) string {
	t.Helper()
	content := make([]byte, size)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString(content)
	text := make([]byte, 0, len(encoded)+len(encoded)/30)
	text = append(text, "From: "+mailUser+"\r\nSubject: scan\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"...)
	for len(encoded) > 0 {
		n := min(76, len(encoded))
		text = append(text, encoded[:n]...)
		text = append(text, "\r\n"...)
		encoded = encoded[n:]
	}
	return string(text)
}

// attachmentOf is the SHA-256 of what is attached to a mail.
func attachmentOf(t *testing.T, text string) string {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := io.ReadAll(message.Body)
	if err != nil {
		t.Fatal(err)
	}
	content, err := base64.StdEncoding.DecodeString(string(encoded)) // which ignores line ends
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// What a scanner sends arrives unchanged in every way that it can be carried.
func TestLargeMail(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	l := startMail(t, s)
	text := mailWithAttachment(t, attachmentSize)
	want := attachmentOf(t, text)
	plain := mailLevel{name: "none", offered: "none", why: "plaintext"}
	for _, tt := range []struct {
		client string
		way    mailWay
		level  mailLevel
	}{
		{"swaks", mailWay{listener: "smtp://{}", tlsMode: startTLS, upstream: 587}, atTLS10},
		{"python", mailWay{listener: "smtp://{}", tlsMode: startTLS, upstream: 587}, withoutECDHE},
		{"curl", mailWay{listener: "smtp://{}", tlsMode: startTLS, upstream: 587}, modern},
		{"msmtp", mailWay{listener: "smtps://{}", tlsMode: implicitTLS, upstream: 587}, atTLS10},
		{"curl", mailWay{listener: "smtps://{}", tlsMode: implicitTLS, upstream: 587}, modern},
		{"curl", mailWay{listener: "smtp://{}?plaintext=allow", tlsMode: never, upstream: 587}, plain},
		{"curl", mailWay{listener: proxyListener, tlsMode: startTLS, upstream: 587, proxied: true}, atTLS10},
		{"curl", mailWay{listener: proxyListener, tlsMode: startTLS, upstream: 587, proxied: true}, modern},
	} {
		tt.way.protocol = "smtp"
		t.Run(tt.client+"/"+tt.way.String()+"/"+tt.level.name, func(t *testing.T) {
			c := tt.way.call(t, l, tt.level)
			c.mail = text
			out, err := mailClients[tt.client](t, c)
			if err != nil {
				t.Fatalf("%v\n%s", err, end(out))
			}
			if got := attachmentOf(t, s.arrived(t, c.to, 1)[0]); got != want {
				t.Errorf("the attachment arrived changed: %s, want %s", got, want)
			}
			outcome, why := tt.way.expect(tt.level)
			rec := l.record(t, map[string]string{"outcome": outcome, "rule": why, "offered": tt.level.offered, "reason": ""})
			if n, _ := rec["bytes_from_client"].(float64); n < float64(len(text)) {
				t.Errorf("counted %v bytes of at least %d", n, len(text))
			}
		})
	}
}

// clientTLS is a Go client that trusts a root and speaks one version of TLS.
func clientTLS(t *testing.T, name, rootFile string, version uint16) *tls.Config {
	t.Helper()
	root, err := os.ReadFile(rootFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	return &tls.Config{ServerName: name, RootCAs: pool, MinVersion: version, MaxVersion: version}
}

// An smtpSession is a Go client that may send its mail now. Without cfg it has
// no TLS and gives no password.
func smtpSession(address string, cfg *tls.Config, to string) (*smtp.Client, error) {
	conn, err := net.DialTimeout("tcp", address, testenv.Patience)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(testenv.Patience))
	client, err := smtp.NewClient(conn, smtpHost)
	if err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"EHLO", func() error { return client.Hello("scanner.example.com") }},
		{"STARTTLS", func() error { return client.StartTLS(cfg) }},
		{"AUTH", func() error { return client.Auth(smtp.PlainAuth("", mailUser, mailPassword, smtpHost)) }},
		{"MAIL", func() error { return client.Mail(mailUser) }},
		{"RCPT", func() error { return client.Rcpt(to) }},
	} {
		if cfg == nil && (step.name == "STARTTLS" || step.name == "AUTH") {
			continue
		}
		if err := step.do(); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return client, nil
}

func sendNow(client *smtp.Client, text string) error {
	w, err := client.Data()
	if err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("end of DATA: %w", err)
	}
	return client.Quit()
}

// Many scanners send at the same time: each has a session open before any of
// them sends its mail.
func TestManySMTPSessions(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	l := startMail(t, s, fmt.Sprintf("TLSLIFT_MAX_CONNECTIONS_PER_CLIENT=%d", crowd+10))
	cfg := clientTLS(t, smtpHost, l.caFile, tls.VersionTLS10)
	to := freshMailbox()
	sendConcurrently(t, l.at["smtp://{}"], cfg, to)
	sent := map[string]bool{}
	for _, mail := range s.arrived(t, to, crowd) {
		_, number, _ := strings.Cut(mail, "from scanner ")
		sent[strings.TrimSpace(number)] = true
	}
	if len(sent) != crowd {
		t.Errorf("%d different mails arrived, want %d", len(sent), crowd)
	}
	for range crowd {
		l.record(t, map[string]string{"outcome": "lifted", "protocol": "smtp", "client_tls": "TLS 1.0", "reason": ""})
	}
}

// sendConcurrently sends crowd mails in as many sessions.
func sendConcurrently(t *testing.T, address string, cfg *tls.Config, to string) {
	t.Helper()
	var open, done sync.WaitGroup
	open.Add(crowd)
	for i := range crowd {
		done.Go(func() {
			client, err := smtpSession(address, cfg, to)
			open.Done()
			if err != nil {
				t.Errorf("session %d: %v", i, err)
				return
			}
			open.Wait()
			if err := sendNow(client, fmt.Sprintf("Subject: scan\r\n\r\nfrom scanner %d\r\n", i)); err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		})
	}
	done.Wait()
}

// CHUNKING (RFC 3030) has no end marker in the mail: what looks like commands
// in it, or like the end of DATA, is none.
func TestBDAT(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	l := startMail(t, s)
	var body strings.Builder
	body.WriteString("QUIT\r\nSTARTTLS\r\n.\r\n..\r\n550 5.7.60 not an answer\r\n")
	for b := 1; b < 256; b++ {
		if b != '\r' && b != '\n' {
			body.WriteString(strings.Repeat(string([]byte{byte(b)}), 3))
		}
		if b%64 == 0 {
			body.WriteString("\r\n")
		}
	}
	body.WriteString("\r\n")
	smtp := l.at["smtp://{}"]
	for _, tt := range []struct {
		name    string
		address string
		cfg     *tls.Config
	}{
		{"TLS 1.0", smtp, clientTLS(t, smtpHost, l.caFile, tls.VersionTLS10)},
		{"TLS 1.3", smtp, clientTLS(t, smtpHost, s.rootFile(t), tls.VersionTLS13)},
		{"without TLS", l.at[plainToPort25.listener], nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := freshMailbox()
			if err := sendChunks(tt.address, tt.cfg, to, "Subject: scan\r\n\r\n", body.String()); err != nil {
				t.Fatalf("%v\n%s", err, l.log())
			}
			if _, got, _ := strings.Cut(s.arrived(t, to, 1)[0], "\n\n"); got != strings.ReplaceAll(body.String(), "\r\n", "\n") {
				t.Errorf("arrived changed: %q", got)
			}
		})
	}
}

// sendChunks sends a mail in chunks that begin and end where lines do not.
func sendChunks(address string, cfg *tls.Config, to, header, body string) error {
	client, err := smtpSession(address, cfg, to)
	if err != nil {
		return err
	}
	for rest := header + body; rest != ""; {
		chunk := rest[:min(97, len(rest))]
		rest = rest[len(chunk):]
		last := ""
		if rest == "" {
			last = " LAST"
		}
		if _, err := fmt.Fprintf(client.Text.W, "BDAT %d%s\r\n%s", len(chunk), last, chunk); err != nil {
			return err
		}
		if err := client.Text.W.Flush(); err != nil {
			return err
		}
		if _, _, err := client.Text.ReadResponse(250); err != nil {
			return fmt.Errorf("BDAT: %w", err)
		}
	}
	return client.Quit()
}
