package fakem365_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestSendMailThroughProxy(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveSMTP(t, fake, fakem365.MailOptions{})
	// The greeting may well come in one segment with the proxy's answer.
	client := &fakem365.Client{Roots: fake.Roots(), Proxy: startProxy(t, func(conn net.Conn, r *http.Request) {
		up, err := net.Dial("tcp", server.Addr())
		if err != nil || r.RequestURI != "smtp.office365.com:587" {
			return
		}
		greeting := make([]byte, 1024)
		n, _ := up.Read(greeting)
		_, _ = conn.Write(append([]byte("HTTP/1.1 200 OK\r\n\r\n"), greeting[:n]...))
		join(conn, up)
	})}
	if _, err := client.SendMail(t.Context(), scan()); err != nil {
		t.Error(err)
	}
}

// The client is to be relied on when the server is not.
func TestSendMailGivesUp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, answers, complaint string
		security                 fakem365.MailSecurity
	}{
		{"speaks no SMTP", "* OK IMAP\r\n", "reading the mail server's greeting", fakem365.StartTLS},
		{"refuses", "554 5.7.1 no\r\n", "the mail server greets with 554 5.7.1 no", fakem365.StartTLS},
		{"has no STARTTLS", "220 x\r\n250 x\r\n", "the mail server offers no STARTTLS", fakem365.StartTLS},
		{
			"speaks before TLS", "220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n250 ok\r\n",
			"bytes of its own after its answer to STARTTLS", fakem365.StartTLS,
		},
		{"goes away", "220 x\r\n250 x\r\n", "reading the answer to AUTH: EOF", fakem365.NoTLS},
		{"never ends", "220-" + strings.Repeat("x", 1<<20), "reading the mail server's greeting", fakem365.StartTLS},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := &fakem365.Client{Proxy: startProxy(t, func(conn net.Conn, _ *http.Request) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"+test.answers)
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
			})}
			mail := scan()
			mail.Security, mail.HELO = test.security, test.security == fakem365.NoTLS
			_, err := client.SendMail(t.Context(), mail)
			if err == nil || !strings.Contains(err.Error(), test.complaint) {
				t.Errorf("error %v, want %q", err, test.complaint)
			}
		})
	}
}
