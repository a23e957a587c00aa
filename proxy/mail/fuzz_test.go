package mail

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A tape is a peer that says what is on it, whatever it hears.
type tape struct {
	net.Conn
	said  io.Reader
	heard bytes.Buffer
}

func (p *tape) Read(b []byte) (int, error)       { return p.said.Read(b) }
func (p *tape) Write(b []byte) (int, error)      { return p.heard.Write(b) }
func (p *tape) SetDeadline(time.Time) error      { return nil }
func (p *tape) SetReadDeadline(time.Time) error  { return nil }
func (p *tape) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr has no name to give.
func (p *tape) LocalAddr() net.Addr { return &net.UnixAddr{} }

// fuzzNegotiation runs a whole negotiation of two peers that say anything. Whatever
// they say, nothing that could be a secret crosses, no line goes on that has
// not an end of its own, and every failure has its reason.
func fuzzNegotiation(f *testing.F, p record.Protocol, seeds ...[2]string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add([]byte(seed[0]), []byte(seed[1]), false)
		f.Add([]byte(seed[0]), []byte(seed[1]), true)
	}
	f.Fuzz(func(t *testing.T, fromClient, fromServer []byte, secured bool) {
		client, server := &tape{said: bytes.NewReader(fromClient)}, &tape{said: bytes.NewReader(fromServer)}
		session := New(Config{
			Protocol: p, Client: relay.NewConn(client), Destination: destination{server}, Timeout: time.Minute, IdleTimeout: time.Minute,
		})
		defer session.Close()
		if secured {
			session.upstream.replace(server, upstreamSecured)
		} else {
			session.upstream.replace(server, upstreamNegotiating)
		}
		err := session.upstream.readGreeting()
		if err == nil {
			err = session.client.negotiate()
		}
		if err == nil {
			session.upstream.replace(server, upstreamSecured)
			session.client.inside = session.Client
			err = session.client.resume(session.client.insideSide())
		}
		if f := (*record.Failure)(nil); err != nil && (!errors.As(err, &f) || f.Reason == "" || f.Err == nil) {
			t.Errorf("an error without a reason: %v", err)
		}
		checkForwarded(t, p, server.heard.String())
		if strings.Contains(strings.ReplaceAll(client.heard.String(), "\r\n", ""), "\n") {
			t.Errorf("the client heard a bare LF: %q", client.heard.String())
		}
	})
}

// forwardable are the only commands that may cross before TLS.
var forwardable = map[record.Protocol][]string{
	record.ProtocolSMTP: {"EHLO", "HELO", "STARTTLS", "NOOP", "RSET", "HELP", "QUIT"},
	record.ProtocolIMAP: {"CAPABILITY", "NOOP", "ID", "STARTTLS", "LOGOUT"},
	record.ProtocolPOP3: {"CAPA", "NOOP", "STLS", "QUIT"},
}

// checkForwarded looks at what the destination has heard.
func checkForwarded(t *testing.T, p record.Protocol, heard string) {
	t.Helper()
	for line := range strings.Lines(heard) {
		text, ended := strings.CutSuffix(line, "\r\n")
		if !ended || strings.ContainsAny(text, "\r\n\x00") {
			t.Errorf("forwarded %q", line)
		}
		words := strings.Split(text, " ")
		if p == record.ProtocolIMAP {
			words = words[1:] // the tag
		}
		if len(words) == 0 || !slices.Contains(forwardable[p], words[0]) {
			t.Errorf("forwarded %q before TLS", line)
		}
	}
}

func FuzzSMTP(f *testing.F) {
	fuzzNegotiation(f, record.ProtocolSMTP,
		[2]string{"EHLO a\r\nSTARTTLS\r\n", "220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n"},
		[2]string{"HELO <a b>\nAUTH LOGIN\nMAIL FROM:<a@b>\nQUIT\n", "220-a\r\n220 b\r\n250 mx\r\n221 bye\r\n"},
		[2]string{"EHLO a\r\nSTARTTLS\r\nRSET\r\n", "220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n250 x\r\n"})
}

func FuzzIMAP(f *testing.F) {
	fuzzNegotiation(f, record.ProtocolIMAP,
		[2]string{"a CAPABILITY\r\nb STARTTLS\r\n", "* OK [CAPABILITY X] hi\r\n* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\na OK\r\nb OK\r\n"},
		[2]string{"a LOGIN {3+}\r\nabc d\r\nb LOGOUT\r\n", "* OK hi\r\n* BYE\r\nb OK\r\n"})
}

func FuzzPOP3(f *testing.F) {
	fuzzNegotiation(f, record.ProtocolPOP3,
		[2]string{"CAPA\r\nSTLS\r\n", "+OK hi\r\n+OK\r\nUSER\r\nSTLS\r\n.\r\n+OK\r\n"},
		[2]string{"USER a\nPASS b\nQUIT\n", "+OK hi\r\n+OK bye\r\n"})
}
