package e2e

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// An imapClient is an old mail program.
type imapClient struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// say sends a line.
func (c *imapClient) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// await reads lines up to one that begins with prefix.
func (c *imapClient) await(prefix string) string {
	c.t.Helper()
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("waiting for %q: %v", prefix, err)
		}
		if strings.HasPrefix(line, prefix) {
			return strings.TrimRight(line, "\r\n")
		}
	}
}

// openIMAP connects at TLS 1.0 and logs in.
func openIMAP(t *testing.T, address, tlsMode string, cfg *tls.Config, mailbox string) *imapClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testenv.Patience))
	c := &imapClient{t: t, conn: conn, r: bufio.NewReader(conn)}
	if tlsMode == startTLS {
		c.await("* OK")
		c.say("a STARTTLS")
		c.await("a OK")
	}
	c.conn = tls.Client(conn, cfg)
	c.r = bufio.NewReader(c.conn)
	if tlsMode == implicitTLS {
		c.await("* OK")
	}
	c.say("b LOGIN " + mailbox + " " + mailPassword)
	c.await("b OK")
	c.say("c SELECT INBOX")
	c.await("c OK")
	return c
}

// A client that waits in IDLE hears of new mail, and reads a large one.
func TestOldIMAPClientIdlesAndFetches(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	l := startMail(t, s)
	cfg := clientTLS(t, host, l.caFile, tls.VersionTLS10)
	text := mailWithAttachment(t, fetchedSize)
	for _, w := range mailWays {
		if w.protocol != "imap" || w.proxied {
			continue
		}
		t.Run(w.String(), func(t *testing.T) {
			mailbox := freshMailbox()
			s.put(mailbox, strings.ReplaceAll(text, "\r\n", "\n"))
			idleAndFetch(t, s, openIMAP(t, l.at[w.listener], w.tlsMode, cfg, mailbox), mailbox, text)
			l.recordOf(t, w, atTLS10)
		})
	}
}

// deliver sends a mail to a mailbox, as another server may: without TLS.
func (s *mailServer) deliver(t *testing.T, mailbox string) {
	t.Helper()
	client, err := smtp.Dial(s.at[25])
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Mail("someone@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := client.Rcpt(mailbox); err != nil {
		t.Fatal(err)
	}
	if err := sendNow(client, sentMail); err != nil {
		t.Fatal(err)
	}
}

func idleAndFetch(t *testing.T, s *mailServer, c *imapClient, mailbox, large string) {
	t.Helper()
	c.say("d IDLE")
	c.await("+")
	s.deliver(t, mailbox)
	c.await("* 2 EXISTS")
	c.say("DONE")
	c.await("d OK")

	c.say("e FETCH 1 BODY.PEEK[]")
	line := c.await("* 1 FETCH")
	var n int64
	if _, err := fmt.Sscanf(line[strings.LastIndex(line, "{"):], "{%d}", &n); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	h := sha256.New()
	if _, err := io.CopyN(h, c.r, n); err != nil {
		t.Fatal(err)
	}
	c.await("e OK")
	want := sha256.Sum256([]byte(large))
	if got := hex.EncodeToString(h.Sum(nil)); got != hex.EncodeToString(want[:]) {
		t.Errorf("fetched %d bytes with SHA-256 %s, want %d with %x", n, got, len(large), want)
	}
	c.say("f LOGOUT")
	c.await("* BYE")
	c.await("f OK")
	_ = c.conn.Close()
}
