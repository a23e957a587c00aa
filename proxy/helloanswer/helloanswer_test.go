package helloanswer

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A scripted is a destination that says each piece in a read of its own.
type scripted struct {
	net.Conn // nil: nothing else is called

	pieces []string
	heard  bytes.Buffer
	reads  int
}

// Write implements net.Conn.
func (s *scripted) Write(p []byte) (int, error) { return s.heard.Write(p) }

// Read implements net.Conn.
func (s *scripted) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	s.reads++
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

const (
	header = "\x16\x03\x03\x10\x00"
	alert  = "\x15\x03\x01\x00\x02"
)

func TestAsk(t *testing.T) {
	flight := header + "\x02\x28" + string(make([]byte, 3000))
	long := header + string(make([]byte, 2*most))
	for _, tc := range []struct {
		name   string
		pieces []string
		answer string
		reads  int
	}{
		{"all that it has to say comes at once", []string{flight}, flight, 1},
		{"its first piece is enough", []string{flight[:100], flight[100:]}, flight[:100], 1},
		{"a header in pieces", []string{header[:1], header[1:3], header[3:] + "more"}, header + "more", 3},
		{"more than is read at once", []string{long}, long[:most], 1},
		{"an alert", []string{alert + "\x02\x46"}, alert + "\x02\x46", 1},
		{"an alert in pieces", []string{alert, "\x02", "\x46"}, alert + "\x02\x46", 3},
		{"a warning, and what follows", []string{alert + "\x01\x70" + flight}, alert + "\x01\x70" + flight, 1},
	} {
		s := &scripted{pieces: tc.pieces}
		answer, err := Ask(s, []byte("hello"), false)
		if err != nil || string(answer) != tc.answer || s.reads != tc.reads || s.heard.String() != "hello" {
			t.Errorf("%s: %d bytes in %d reads, %v; want %d in %d", tc.name, len(answer), s.reads, err, len(tc.answer), tc.reads)
		}
	}
}

// What a destination has answered is not in a buffer that another connection gets.
func TestAnswersAreWiped(t *testing.T) {
	for _, answer := range []string{"\x16\x03\x03\x00\x04hello", "\x15\x03\x03\x00\x02\x02\x28", "HTTP/1.1 400 Bad Request"} {
		_, _ = Ask(&scripted{pieces: []string{answer}}, []byte("hello"), false)
		for range 8 {
			if got := buffers.Get().(*[most]byte); *got != [most]byte{} {
				t.Errorf("%q is still in a buffer", bytes.TrimRight(got[:], "\x00"))
			}
		}
	}
}

func TestAskFails(t *testing.T) {
	for _, tc := range []struct {
		name, says    string
		afterSTARTTLS bool
		reason        record.Reason // empty for ErrRefused
	}{
		{"it closes", "", false, ""},
		{"it closes in the header", header[:3], false, ""},
		{"it closes in the alert", alert + "\x02", false, ""},
		{"no TLS", "HTTP/1.1 400 Bad Request", false, record.ReasonUpstreamHandshakeFailed},
		{"injected", "250 OK\r\n", true, record.ReasonUpstreamReplyInjected},
	} {
		s := &scripted{}
		if tc.says != "" {
			s.pieces = []string{tc.says}
		}
		answer, err := Ask(s, nil, tc.afterSTARTTLS)
		var f *record.Failure
		switch {
		case answer != nil || err == nil:
			t.Errorf("%s: answer %q, %v", tc.name, answer, err)
		case tc.reason == "" && !errors.Is(err, ErrRefused):
			t.Errorf("%s: %v, want %v", tc.name, err, ErrRefused)
		case tc.reason != "" && (!errors.As(err, &f) || f.Reason != tc.reason):
			t.Errorf("%s: %v, want %s", tc.name, err, tc.reason)
		}
	}
}

// Only a fatal alert is a refusal, and it is all that the client gets of one.
func TestRefusal(t *testing.T) {
	for _, tc := range []struct{ name, answer, want string }{
		{"a fatal alert", alert + "\x02\x46", alert + "\x02\x46"},
		{"and something after it", alert + "\x02\x46" + alert + "\x01\x00", alert + "\x02\x46"},
		{"a warning", alert + "\x01\x70", ""},
		{"a ServerHello, whose type is the level of a fatal alert", header + "\x02\x00\x00\x28", ""},
		{"a header alone", header, ""},
	} {
		got := Refusal([]byte(tc.answer))
		if (got == nil) != (tc.want == "") || got != nil && (string(got.Answer) != tc.want || got.Alert() != 0x46) {
			t.Errorf("%s: %v, want %q", tc.name, got, tc.want)
		}
	}
}
