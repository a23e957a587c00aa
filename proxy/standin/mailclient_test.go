package standin_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/standin"
)

func TestSendMailThroughProxy(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	server := serveSMTP(t, cloud, standin.MailOptions{})
	// The greeting may well come in one segment with the proxy's answer.
	client := &standin.Client{Roots: cloud.Roots(), Proxy: startProxy(t, func(conn net.Conn, r *http.Request) {
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
		security                 standin.MailSecurity
	}{
		{"speaks no SMTP", "* OK IMAP\r\n", "reading the mail server's greeting", standin.StartTLS},
		{"refuses", "554 5.7.1 no\r\n", "the mail server greets with 554 5.7.1 no", standin.StartTLS},
		{"has no STARTTLS", "220 x\r\n250 x\r\n", "the mail server offers no STARTTLS", standin.StartTLS},
		{
			"speaks before TLS", "220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n250 ok\r\n",
			"bytes of its own after its answer to STARTTLS", standin.StartTLS,
		},
		{"goes away", "220 x\r\n250 x\r\n", "reading the answer to AUTH: EOF", standin.NoTLS},
		{"never ends", "220-" + strings.Repeat("x", 1<<20), "reading the mail server's greeting", standin.StartTLS},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := &standin.Client{Proxy: startProxy(t, func(conn net.Conn, _ *http.Request) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"+test.answers)
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
			})}
			mail := scan()
			mail.Security, mail.HELO = test.security, test.security == standin.NoTLS
			_, err := client.SendMail(t.Context(), mail)
			if err == nil || !strings.Contains(err.Error(), test.complaint) {
				t.Errorf("error %v, want %q", err, test.complaint)
			}
		})
	}
}
