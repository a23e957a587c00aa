package mail

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

const (
	greet = "S: 220 mx ESMTP\nc: 220 mx ESMTP\n"
	ehlo  = "C: EHLO printer\ns: EHLO printer\n"
	list  = "S: 250-mx Hello|250-SIZE 157286400|250-CHUNKING|250-8BITMIME|250 STARTTLS\n" +
		"c: 250-mx Hello\nc: 250-SIZE 157286400\nc: 250-CHUNKING\nc: 250-8BITMIME\nc: 250 STARTTLS\n"
	tlsUp = "C: STARTTLS\ns: STARTTLS\nS: 220 2.0.0 record.ProtocolSMTP server ready\nc: 220 2.0.0 record.ProtocolSMTP server ready\n"
)

// Where both sides open in plaintext, both hear each other's words.
func TestSMTPLockstep(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script string
		reason record.Reason // empty: TLS comes next
	}{
		"ordinary": {greet + ehlo + list + tlsUp, ""},
		"lower-case commands": {greet + "C: ehlo printer\ns: EHLO printer\n" + list + "C: starttls\ns: STARTTLS\nS: " +
			"220 go\nc: 220 go\n", ""},
		"padded commands": {greet + "C:   EHLO   printer  \ns: EHLO printer\n" + list + "C: STARTTLS  \ns: " +
			"STARTTLS\nS: 220 go\nc: 220 go\n", ""},
		"bare LF": {greet + "C: EHLO printer~\ns: EHLO printer\n" + list + "C: STARTTLS~\ns: STARTTLS\n" +
			"S: 220 go\nc: 220 go\n", ""},
		"bare LF of the destination": {"S: 220 mx~\nc: 220 mx\n" + ehlo + list + tlsUp, ""},
		"EHLO with a bare name":      {greet + "C: EHLO NPIF65E56\ns: EHLO NPIF65E56\n" + list + tlsUp, ""},
		"EHLO with a bracketed name": {greet + "C: EHLO [192.168.1.9]\ns: EHLO [192.168.1.9]\n" + list + tlsUp, ""},
		"EHLO with an IPv6 name":     {greet + "C: EHLO [IPv6:fd00::9]\ns: EHLO [IPv6:fd00::9]\n" + list + tlsUp, ""},
		"EHLO with an odd name":      {greet + "C: EHLO 2nd floor <HP>\ns: EHLO 2nd-floor-HP\n" + list + tlsUp, ""},
		"EHLO without a name":        {greet + "C: EHLO\ns: EHLO localhost\n" + list + tlsUp, ""},
		"HELO instead of EHLO": {greet + "C: HELO printer\ns: HELO printer\nS: 250 mx\nc: 250 mx\nC: STARTTLS\ns: " +
			"EHLO printer\nS: 250-mx|250 STARTTLS\ns: STARTTLS\nS: 220 go\nc: 220 go\n", ""},
		"STARTTLS at once": {greet + "C: STARTTLS\ns: EHLO localhost\nS: 250-mx|250 STARTTLS\ns: STARTTLS\nS: " +
			"220 go\nc: 220 go\n", ""},
		"NOOP, RSET and HELP": {greet + ehlo + list + "C: NOOP\ns: NOOP\nS: 250 ok\nc: 250 ok\nC: RSET\ns: RSET\nS: " +
			"250 ok\nc: 250 ok\nC: help me\ns: HELP\nS: 214 see RFC\nc: 214 see RFC\n" + tlsUp, ""},
		"EHLO rejected, then HELO": {greet + "C: EHLO printer\ns: EHLO printer\nS: 502 no\nc: 502 no\nC: HELO printer\n" +
			"s: HELO printer\nS: 250 mx\nc: 250 mx\nC: STARTTLS\ns: EHLO printer\nS: 250-mx|250 STARTTLS\ns: STARTTLS\nS: 220 " +
			"go\nc: 220 go\n", ""},
		"long greeting":             {"S: 220-one|220-two|220 three\nc: 220-one\nc: 220-two\nc: 220 three\n" + ehlo + list + tlsUp, ""},
		"STARTTLS with a parameter": {greet + ehlo + list + "C: STARTTLS now\nc: 501 5.5.4 STARTTLS takes no parameters\n" + tlsUp, ""},
		"mail first, TLS after all": {greet + ehlo + list + "C: MAIL FROM:<a@b>\nc: 530 5.7.0 Must issue a STARTTLS " +
			"command first\n" + tlsUp, ""},
		"QUIT before TLS":   {greet + "C: QUIT\ns: QUIT\nS: 221 bye\nc: 221 bye\n", record.ReasonClosedBeforeTLS},
		"closes at once":    {greet + "C!\n", record.ReasonClosedBeforeHello},
		"closes in EHLO":    {greet + "C; EHL\nC!\n", record.ReasonClosedBeforeTLS},
		"closes after EHLO": {greet + ehlo + list + "C!\n", record.ReasonClosedBeforeTLS},
		"sign-in without TLS": {greet + ehlo + list + "C: AUTH LOGIN c2VjcmV0\nc: 530 5.7.0 Must issue a STARTTLS " +
			"command first\nC: QUIT\ns: QUIT\nS: 221 bye\nc: 221 bye\n", record.ReasonPlaintextNotAllowed},
		"mail without TLS, closes": {greet + ehlo + list + "C: MAIL FROM:<a@b>\nc: 530 5.7.0 Must issue a STARTTLS " +
			"command first\nC!\n", record.ReasonPlaintextNotAllowed},
		"421 to EHLO": {greet + ehlo + "S: 421 4.7.0 Too many connections\nc: 421 4.7.0 Too many connections\n",
			record.ReasonUpstreamRefusedSession},
		"550 to EHLO, closes": {greet + ehlo + "S: 550 no\nc: 550 no\nC!\n", record.ReasonUpstreamRefusedSession},
		"550 to EHLO, QUIT": {greet + ehlo + "S: 550 no\nc: 550 no\nC: QUIT\ns: QUIT\nS: 221 bye\nc: 221 bye\n",
			record.ReasonUpstreamRefusedSession},
		"421 to NOOP": {greet + ehlo + list + "C: NOOP\ns: NOOP\nS: 421 busy\nc: 421 busy\n", record.ReasonUpstreamRefusedSession},
		"421 to STARTTLS": {greet + ehlo + list + "C: STARTTLS\ns: STARTTLS\nS: 421 4.3.2 later\n",
			record.ReasonUpstreamRefusedSession},
		"421 not asked for":         {"S: 220 mx|421 4.7.0 no\nc: 220 mx\nC: EHLO printer\n", record.ReasonUpstreamRefusedSession},
		"TLS too early":             {greet + "C: \x16\x03\x01\x00\x05\n", record.ReasonTLSBeforeStartTLS},
		"an HTTP request":           {greet + "C: GET / HTTP/1.1\n", record.ReasonMalformedBeforeTLS},
		"a PROXY header, version 2": {greet + "C: ||\x00|QUIT~\n", record.ReasonProxyHeaderUntrusted},
		"AUTH is offered too early": {greet + ehlo + "S: 250-mx|250-STARTTLS|250-AUTH LOGIN|250 SIZE 9\nc: 250-mx\nc: " +
			"250-STARTTLS\nc: 250 SIZE 9\n" + tlsUp, ""},
		"a PROXY header": {greet + "C: PROXY TCP4 10.0.0.1 10.0.0.2 1 25\n", record.ReasonProxyHeaderUntrusted},
		"EHLO that ends in CR CR LF": {greet + "C: EHLO printer\r\ns: EHLO printer\n" + list + "C: STARTTLS\r\ns: STARTTLS\n" +
			"S: 220 go\nc: 220 go\n", ""},
		"EHLO that ends in CR CR CR LF": {greet + "C: EHLO printer\r\r\ns: EHLO printer\n" + list + tlsUp, ""},
		"NUL in a line":                 {greet + "C: EHLO a\x00b\nc: 500 5.5.2 Not a command\n" + ehlo + list + tlsUp, ""},
		"NUL alone":                     {greet + "C: \x00\nc: 500 5.5.2 Not a command\n" + ehlo + list + tlsUp, ""},
		"NUL in STARTTLS":               {greet + ehlo + list + "C: STARTTLS\x00\nc: 500 5.5.2 Not a command\n" + tlsUp, ""},
		"BDAT": {greet + ehlo + list + "C: BDAT 10 LAST|STARTTLS|QUI\nc: 530 5.7.0 Must issue a STARTTLS command first\n",
			record.ReasonPlaintextNotAllowed},
		"DATA and a mail at once": {greet + ehlo + list + "C: MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|STARTTLS|.\n" +
			strings.Repeat("c: 530 5.7.0 Must issue a STARTTLS command first\n", 3), record.ReasonPlaintextNotAllowed},
		"BDAT with NUL":          {greet + ehlo + list + "C: BDAT 10\x00|QUIT\n", record.ReasonMalformedBeforeTLS},
		"a CR inside a line":     {greet + "C: EHLO a\rMAIL FROM:<a@b>\n", record.ReasonMalformedBeforeTLS},
		"command after STARTTLS": {greet + ehlo + list + "C: STARTTLS|MAIL FROM:<evil@b>\n", record.ReasonCommandAfterStartTLS},
		"STARTTLS is stripped":   {greet + ehlo + "S: 250-mx|250 SIZE 1\n", record.ReasonUpstreamNoStartTLS},
		"STARTTLS is refused": {greet + ehlo + list + "C: STARTTLS\ns: STARTTLS\nS: 454 4.7.0 not now\n",
			record.ReasonUpstreamNoStartTLS},
		"STARTTLS is answered 250": {greet + ehlo + list + "C: STARTTLS\ns: STARTTLS\nS: 250 ok\n", record.ReasonUpstreamNoStartTLS},
		"reply after the 220": {greet + ehlo + list + "C: STARTTLS\ns: STARTTLS\nS: 220 go|250-evil|250 AUTH PLAIN\n",
			record.ReasonUpstreamReplyInjected},
		"reply before it is asked": {greet + ehlo + "S: 250-mx|250 STARTTLS|220 go\nc: 250-mx\nc: 250 STARTTLS\nC: " +
			"STARTTLS\n", record.ReasonUpstreamReplyInjected},
		"destination is busy":         {"S: 421 4.3.2 too busy\n", record.ReasonUpstreamRefusedSession},
		"destination speaks no SMTP":  {"S: +OK pop\n", record.ReasonUpstreamReplyMalformed},
		"destination closes at once":  {"S!\n", record.ReasonUpstreamClosed},
		"destination closes midway":   {greet + "C: EHLO printer\ns: EHLO printer\nS!\n", record.ReasonUpstreamClosed},
		"reply with a control letter": {greet + "C: EHLO printer\ns: EHLO printer\nS: 250 a\rb\n", record.ReasonUpstreamReplyMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newStage(t, record.ProtocolSMTP).negotiate(tt.script)
			if reasonOf(t, got.err) != tt.reason || got.plaintext {
				t.Errorf("ended with %v (%q), want %q", got.err, reasonOf(t, got.err), tt.reason)
			}
		})
	}
}

// Replies of many lines arrive whole; those without an end do not go on.
func TestSMTPLongReplies(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("250-X-EXTENSION of many\n", 100)
	var say, hear strings.Builder
	for line := range strings.Lines(many) {
		say.WriteString(strings.TrimSpace(line) + "|")
		hear.WriteString("c: " + strings.TrimSpace(line) + "\n")
	}
	got := newStage(t, record.ProtocolSMTP).negotiate(greet + ehlo + "S: " + say.String() + "250 STARTTLS\n" + hear.String() + "c: " +
		"250 STARTTLS\n" + tlsUp)
	if got.err != nil {
		t.Errorf("a reply of 101 lines: %v", got.err)
	}
	endless := "S: " + strings.TrimSuffix(strings.Repeat("250-more|", 130), "|") + "\n"
	if got := newStage(t, record.ProtocolSMTP).negotiate(greet + ehlo + endless); reasonOf(t, got.err) != record.ReasonUpstreamReplyMalformed {
		t.Errorf("a reply without end: %v", got.err)
	}
	overlong := "S: 250 " + strings.Repeat("x", maxUpstreamLine) + "\n"
	if got := newStage(t, record.ProtocolSMTP).negotiate(greet + ehlo + overlong); reasonOf(t,
		got.err) != record.ReasonUpstreamReplyMalformed {
		t.Errorf("an overlong line of the destination: %v", got.err)
	}
	overlong = "C: EHLO " + strings.Repeat("x", maxClientLine) + "\n"
	if got := newStage(t, record.ProtocolSMTP).negotiate(greet + overlong); reasonOf(t, got.err) != record.ReasonMalformedBeforeTLS {
		t.Errorf("an overlong line of the client: %v", got.err)
	}
	noise := strings.Repeat("C: NOOP\ns: NOOP\nS: 250 ok\nc: 250 ok\n", maxCommands)
	if got := newStage(t, record.ProtocolSMTP).negotiate(greet + noise); reasonOf(t, got.err) != record.ReasonMalformedBeforeTLS {
		t.Errorf("commands without end: %v", got.err)
	}
}

// The token of an OAuth sign-in is longer than other lines.
func TestSMTPLongSignIn(t *testing.T) {
	t.Parallel()
	s := newStage(t, record.ProtocolSMTP)
	s.session.Plaintext = true
	s.secure()
	auth := "AUTH XOAUTH2 " + strings.Repeat("dG9r", 3000)
	got := s.negotiate(greet + "C: " + auth + "\ns: EHLO localhost\nS: 250 mx\n")
	if got.err != nil || got.pending != auth+"\r\n" {
		t.Errorf("ended with %d bytes, %v", len(got.pending), got.err)
	}
}

// Inside TLS with the destination, the client is answered from what that
// offers, and its own STARTTLS is ours to answer.
func TestSMTPOwnGreeting(t *testing.T) {
	t.Parallel()
	const inside = "S: 250-mx Hello|250-SIZE 9|250-AUTH LOGIN XOAUTH2|250 CHUNKING\n"
	for name, tt := range map[string]struct {
		plaintext bool
		script    string
		goesOn    bool // without TLS
		pending   string
		reason    record.Reason
	}{
		"STARTTLS": {false, greet + ehlo + inside + "c: 250-mx Hello\nc: 250-SIZE 9\nc: 250-CHUNKING\nc: 250 STARTTLS\nC: " +
			"STARTTLS\nc: 220 2.0.0 Ready to start TLS\n", false, "", ""},
		"sign-in without TLS": {false, greet + ehlo + inside + "c: 250-mx Hello\nc: 250-SIZE 9\nc: 250-CHUNKING\nc: 250 STARTTLS\n" +
			"C: AUTH LOGIN\nc: 530 5.7.0 Must issue a STARTTLS command first\nC!\n", false, "", record.ReasonPlaintextNotAllowed},
		"plaintext is allowed": {true, greet + ehlo + inside + "c: 250-mx Hello\nc: 250-SIZE 9\nc: 250-AUTH LOGIN XOAUTH2\n" +
			"c: 250-CHUNKING\nc: 250 STARTTLS\n" +
			"C: AUTH LOGIN\n", true, "AUTH LOGIN\r\n", ""},
		"plaintext with HELO": {true, greet + "C: HELO p\ns: HELO p\nS: 250 mx\nc: 250 mx\nC: MAIL FROM:<a@b>\ns: " +
			"EHLO p\nS: 250-mx|250 SIZE 9\n", true, "MAIL FROM:<a@b>\r\n", ""},
		"plaintext, STARTTLS":    {true, greet + "C: STARTTLS\nc: 220 2.0.0 Ready to start TLS\n", false, "", ""},
		"command after STARTTLS": {true, greet + "C: STARTTLS|MAIL FROM:<evil@b>\n", false, "", record.ReasonCommandAfterStartTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, record.ProtocolSMTP)
			s.session.Plaintext = tt.plaintext
			s.secure()
			got := s.negotiate(tt.script)
			if reasonOf(t, got.err) != tt.reason || got.plaintext != tt.goesOn || got.pending != tt.pending {
				t.Errorf("ended with %v %q %v, want %v %q %q", got.plaintext, got.pending, got.err, tt.goesOn, tt.pending, tt.reason)
			}
		})
	}
}

// On a client's behalf the destination hears EHLO and STARTTLS.
func TestSMTPOnBehalf(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script string
		reason record.Reason
	}{
		"ordinary":           {"S: 220 mx\ns: EHLO [192.0.2.1]\nS: 250-mx|250 STARTTLS\ns: STARTTLS\nS: 220 go\n", ""},
		"nothing is offered": {"S: 220 mx\ns: EHLO [192.0.2.1]\nS: 250 mx\n", record.ReasonUpstreamNoStartTLS},
		"EHLO is rejected":   {"S: 220 mx\ns: EHLO [192.0.2.1]\nS: 550 5.7.1 banned\n", record.ReasonUpstreamRefusedSession},
		"reply in its wake": {"S: 220 mx\ns: EHLO [192.0.2.1]\nS: 250-mx|250 STARTTLS\ns: STARTTLS\nS: 220 go|250 evil\n",
			record.ReasonUpstreamReplyInjected},
		"spoke early": {"S: 220 mx|250 evil\n", record.ReasonUpstreamReplyInjected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, record.ProtocolSMTP)
			s.session.upstream.name = "[192.0.2.1]"
			got := s.during(tt.script, func() error { return s.session.Reach(t.Context()) })
			if reasonOf(t, got.err) != tt.reason {
				t.Errorf("ended with %v, want %q", got.err, tt.reason)
			}
		})
	}
}

// Inside the client's TLS its first command counts: a name that servers reject
// is made fit, and a missing EHLO is said on its behalf.
func TestSMTPResume(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script  string
		pending string
		reason  record.Reason
	}{
		"EHLO again":            {"C: EHLO printer\ns: EHLO printer\nS: 250-mx|250 AUTH LOGIN\nc: 250-mx\nc: 250 AUTH LOGIN\n", "", ""},
		"EHLO with an odd name": {"C: EHLO <my printer>\ns: EHLO my-printer\nS: 250 mx\nc: 250 mx\n", "", ""},
		"HELO":                  {"C: HELO printer\ns: EHLO printer\nS: 250-mx Hello|250-SIZE 9|250 AUTH LOGIN\nc: 250 mx Hello\n", "", ""},
		"HELO without a name":   {"C: HELO\ns: EHLO localhost\nS: 250-mx|250 AUTH LOGIN\nc: 250 mx\n", "", ""},
		"HELO and more at once": {"C: HELO p|AUTH LOGIN\ns: EHLO p\nS: 250 mx\nc: 250 mx\n", "", ""},
		"HELO, and EHLO is unknown": {"C: HELO printer\ns: EHLO printer\nS: 502 5.5.1 what\ns: HELO printer\nS: 250 mx\nc: 250 mx\n",
			"", ""},
		"HELO is turned down for now": {"C: HELO printer\ns: EHLO printer\nS: 421 4.3.2 busy\nc: 421 4.3.2 busy\n", "", ""},
		"EHLO that ends in CR CR LF":  {"C: EHLO printer\r\ns: EHLO printer\nS: 250 mx\nc: 250 mx\n", "", ""},
		"NUL in EHLO":                 {"C: EHLO a\x00b\ns: EHLO a-b\nS: 250 mx\nc: 250 mx\n", "", ""},
		"NUL in another command":      {"C: AUTH\x00LOGIN\ns: EHLO localhost\nS: 250 mx\n", "AUTH\x00LOGIN\r\n", ""},
		"CR in another command":       {"C: AUTH a\rb\ns: EHLO localhost\nS: 250 mx\n", "AUTH a\rb\r\n", ""},
		"an overlong command": {"C: AUTH " + strings.Repeat("x", maxClientLine) + "\ns: EHLO localhost\nS: 250 mx\n",
			"AUTH " + strings.Repeat("x", maxClientLine) + "\r\n", ""},
		"no second EHLO":        {"C: AUTH LOGIN\ns: EHLO localhost\nS: 250-mx|250 AUTH LOGIN\n", "AUTH LOGIN\r\n", ""},
		"EHLO and more at once": {"C: EHLO p|MAIL FROM:<a@b>\ns: EHLO p\nS: 250 mx\nc: 250 mx\n", "", ""},
		"a second STARTTLS":     {"C: STARTTLS\ns: EHLO localhost\nS: 250 mx\n", "STARTTLS\r\n", ""},
		"closes":                {"C!\n", "", record.ReasonClosedBeforeTLS},
		"is turned down for now": {"C: AUTH LOGIN\ns: EHLO localhost\nS: 421 4.7.66 TLS 1.0\n", "AUTH LOGIN\r\n",
			record.ReasonUpstreamRefusedSession},
		"destination spoke before": {"S: 250 evil\n", "", record.ReasonUpstreamReplyInjected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, record.ProtocolSMTP)
			s.secure()
			s.session.client.phase = clientSTARTTLS
			var early sync.WaitGroup
			got := s.during(tt.script, func() error {
				if tt.reason == record.ReasonUpstreamReplyInjected {
					// It has arrived before the client's command does.
					_, _ = s.session.upstream.conn.Reader().Peek(1)
					early.Go(func() { _, _ = io.WriteString(s.clientConn, "EHLO p\r\n") })
				}
				return s.resume()
			})
			early.Wait()
			if reasonOf(t, got.err) != tt.reason || tt.reason == "" && got.pending != tt.pending {
				t.Errorf("ended with %q %v, want %q %q", got.pending, got.err, tt.pending, tt.reason)
			}
		})
	}
}

// A client that began with TLS has had no greeting yet.
func TestSMTPResumeGreets(t *testing.T) {
	t.Parallel()
	s := newStage(t, record.ProtocolSMTP)
	s.session.client.phase, s.session.UpstreamImplicitTLS = clientImplicitTLS, true
	got := s.during("S: 220 mx ready\nc: 220 mx ready\nC: EHLO p\ns: EHLO p\nS: 250 mx\nc: 250 mx\n", func() error {
		if err := s.session.Secure(t.Context()); err != nil {
			return err
		}
		return s.resume()
	})
	if got.err != nil {
		t.Error(got.err)
	}
}
