package dialogue

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// hear takes in what client and destination say, in turn.
func (s *Session) hear(says []string) {
	for i, text := range says {
		if i%2 == 0 {
			s.Sent([]byte(text))
		} else {
			s.received([]byte(text))
		}
	}
}

// A destination that is gone without a word is the reason of what it has cost; where
// nothing was under way, it has cost nothing.
func TestGoneWithoutAWord(t *testing.T) {
	t.Parallel()
	silent := &relay.CutOffError{Side: relay.Upstream, Err: fmt.Errorf("it acknowledges nothing: %w", relay.ErrIdle)}
	err := record.Fail(silent.Reason(), silent)
	smtp := []string{"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", "250 a\r\n250 b\r\n250 c\r\n354 go on\r\n"}
	for name, tt := range map[string]struct {
		says []string // client and destination, in turn
		want record.Reason
	}{
		"idle":                    {[]string{"EHLO x\r\n", "250 a\r\n"}, ""},
		"in the content":          {append(smtp[:2:2], "Subject: x\r\n"), record.ReasonUpstreamCutOff},
		"after the end of a mail": {append(smtp[:2:2], "Subject: x\r\n.\r\n"), record.ReasonUpstreamCutOff},
		"accepted, then QUIT":     {append(smtp[:2:2], "Subject: x\r\n.\r\n", "250 queued\r\n", "QUIT\r\n"), ""},
		"in a command":            {[]string{"EHLO x\r\n", "250 a\r\n", "MAIL FROM:<a@b>\r\n"}, record.ReasonUpstreamCutOff},
	} {
		s := New(record.ProtocolSMTP, false)
		s.hear(tt.says)
		found := s.Finding(errors.Is(err, relay.ErrIdle))
		settled := found.Settled(err)
		var f *record.Failure
		if got := found.End(settled); !errors.As(got, &f) != (tt.want == "") || f != nil && f.Reason != tt.want {
			t.Errorf("%s: got %v, want %q", name, got, tt.want)
		}
	}
}

// A reset that is told to a write, while a read of the same socket sees only an end, is a reset
// whichever of the two comes first. A client that closes, and gets something after that, has
// closed.
func TestResetSeenAsAnEnd(t *testing.T) {
	t.Parallel()
	reset, late := &net.OpError{Op: "write", Err: syscall.ECONNRESET}, &net.OpError{Op: "write", Err: syscall.EPIPE}
	fetch := []string{"a FETCH 1 BODY[]\r\n", "* 1 FETCH (BODY[] {100}\r\nhalf"}
	retr := []string{"RETR 1\r\n", "+OK\r\nhalf"}
	mail := []string{
		"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", "250 a\r\n250 b\r\n250 c\r\n354 go on\r\n", "x\r\n.\r\n",
	}
	for name, tt := range map[string]struct {
		protocol      record.Protocol
		says          []string // client and destination, in turn
		first, second error
		want          record.Reason
	}{
		"IMAP, in a literal":               {record.ProtocolIMAP, fetch, io.EOF, reset, record.ReasonClientCutOff},
		"the same, told in order":          {record.ProtocolIMAP, fetch, reset, io.EOF, record.ReasonClientCutOff},
		"POP3, in a mail":                  {record.ProtocolPOP3, retr, io.ErrUnexpectedEOF, reset, record.ReasonClientCutOff},
		"SMTP, before the reply to a mail": {record.ProtocolSMTP, mail, io.EOF, reset, record.ReasonClientCutOff},
		"IMAP, nothing is awaited":         {record.ProtocolIMAP, []string{"a NOOP\r\n", "a OK\r\n"}, io.EOF, reset, ""},
		"closed before the reply":          {record.ProtocolIMAP, []string{"a NOOP\r\n", ""}, io.EOF, late, ""},
	} {
		s := New(tt.protocol, false)
		s.hear(tt.says)
		s.ended(client, tt.first)
		s.ended(client, tt.second)
		got := record.Reason("")
		if f := s.Finding(false).Failure; f != nil {
			got = f.Reason
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
