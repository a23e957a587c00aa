package mail

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A sayer is a connection of a client that has sent something, and reads nothing.
type sayer struct {
	net.Conn
	sent []byte
	size int // of a read
}

func (s *sayer) Read(p []byte) (int, error) {
	if len(s.sent) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.size)], s.sent)
	s.sent = s.sent[n:]
	return n, nil
}

// passes returns what passes of what a client says, in pieces of a size.
func passes(t *testing.T, p record.Protocol, said string, size int) string {
	t.Helper()
	c := &signedInClient{Conn: relay.NewConn(&sayer{sent: []byte(said), size: size}), protocol: p}
	passed, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("%q: %v", said, err)
	}
	return string(passed)
}

// A client that has signed in here signs in again: what it types stays here, and the rest
// passes as it is, however it is cut into pieces.
func TestSignedInClient(t *testing.T) {
	t.Parallel()
	const imap, pop3 = record.ProtocolIMAP, record.ProtocolPOP3
	for _, tt := range []struct {
		protocol     record.Protocol
		said, passes string
	}{
		{imap, "a LOGIN me secret\r\nb NOOP\r\n", "a XSIGNIN\r\nb NOOP\r\n"},
		{imap, " a\t login \"me\" \"LOGIN\"\nb NOOP\r\n", "a XSIGNIN\r\nb NOOP\r\n"},
		{imap, "a LOGIN {2+}\r\nme {6+}\r\nsecret\r\nb NOOP\r\n", "a XSIGNIN\r\nb NOOP\r\n"},
		{imap, "a LOGIN {2}\r\nb NOOP\r\n", "a XSIGNIN\r\nb NOOP\r\n"},
		{imap, "a AUTHENTICATE PLAIN AG1lAHNlY3JldA==\r\nb NOOP\r\n", "a XSIGNIN\r\nb NOOP\r\n"},
		{imap, "a AUTHENTICATE PLAIN\r\nAG1lAHNlY3JldA==\r\nb NOOP\r\n", "a XSIGNIN\r\nb NOOP\r\n"},
		{imap, "a AUTHENTICATE LOGIN\r\n*\r\nb IDLE\r\nDONE\r\n", "a XSIGNIN\r\nb IDLE\r\nDONE\r\n"},
		{imap, "a APPEND INBOX {27}\r\nb LOGIN me secret\r\nd NOOP\r\n\r\nc LOGIN x y\r\n",
			"a APPEND INBOX {27}\r\nb LOGIN me secret\r\nd NOOP\r\n\r\nc XSIGNIN\r\n"},
		{imap, "a SEARCH SUBJECT {5+}\r\nLOGIN BODY LOGIN\r\n", "a SEARCH SUBJECT {5+}\r\nLOGIN BODY LOGIN\r\n"},
		{imap, "a SELECT LOGIN\r\nLOGIN SELECT a\r\n\r\n", "a SELECT LOGIN\r\nLOGIN SELECT a\r\n\r\n"},
		{imap, "a LOGOUT\r\n", "a LOGOUT\r\n"},
		{imap, "a NOOP\r\nb LOG", "a NOOP\r\n"}, // its verb may become one that signs in
		{pop3, "USER me\r\nPASS se cret\r\nSTAT\r\n", "XSIGNIN\r\nXSIGNIN\r\nSTAT\r\n"},
		{pop3, "pass\r\napop me 0123\r\n", "XSIGNIN\r\nXSIGNIN\r\n"},
		{pop3, "AUTH PLAIN AG1lAHNlY3JldA==\r\nUIDL\r\n", "XSIGNIN\r\nUIDL\r\n"},
		{pop3, "AUTH PLAIN\r\nAG1lAHNlY3JldA==\r\nUIDL\r\n", "XSIGNIN\r\nUIDL\r\n"},
		{pop3, "RETR 1\r\nTOP 2 PASS\r\nLIST {6+}\r\nPASS x\r\n", "RETR 1\r\nTOP 2 PASS\r\nLIST {6+}\r\nXSIGNIN\r\n"},
	} {
		for _, size := range []int{1, 2, 3, 7, 1000} {
			if got := passes(t, tt.protocol, tt.said, size); got != tt.passes {
				t.Errorf("%q in pieces of %d: %q passes, want %q", tt.said, size, got, tt.passes)
			}
		}
	}
}

// FuzzSignedInClient: the pieces do not matter, and what has no verb of a sign-in passes
// as it is.
func FuzzSignedInClient(f *testing.F) {
	f.Add([]byte("a LOGIN {2+}\r\nme {6+}\r\nsecret\r\nb NOOP\r\n"), true, 3)
	f.Add([]byte("USER me\r\nPASS x\r\nAUTH PLAIN\r\n*\r\n"), false, 1)
	f.Fuzz(func(t *testing.T, said []byte, isIMAP bool, size int) {
		protocol := record.ProtocolPOP3
		if isIMAP {
			protocol = record.ProtocolIMAP
		}
		whole := passes(t, protocol, string(said), max(1, len(said)))
		if got := passes(t, protocol, string(said), max(1, size)); got != whole {
			t.Errorf("%q: whole %q, in pieces %q", said, whole, got)
		}
		upper := bytes.ToUpper(said)
		for _, verb := range []string{"LOGIN", "AUTH", "USER", "PASS", "APOP"} {
			if bytes.Contains(upper, []byte(verb)) {
				return
			}
		}
		if ended := said[:bytes.LastIndexByte(said, '\n')+1]; !bytes.HasPrefix([]byte(whole), ended) {
			t.Errorf("%q: only %q passes", said, whole)
		}
	})
}
