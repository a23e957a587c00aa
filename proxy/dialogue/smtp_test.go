package dialogue

import (
	"strconv"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// oneMail is a mail up to the reply to its content.
const oneMail = `
	C: MAIL FROM:<a@contoso.com>
	S: 250 2.1.0 Sender OK
	C: RCPT TO:<b@contoso.com>
	S: 250 2.1.5 Recipient OK
	C: DATA
	S: 354 Start mail input; end with <CRLF>.<CRLF>
	C: Subject: scan||..|QUIT|550 not a reply|.
`

// A refusal is a refusal whether or not its text is known, until something succeeds.
func TestSMTPRefusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script   string
		want     record.Reason
		accepted int
	}{
		"accepted":            {oneMail + "S: 250 2.0.0 OK", "", 1},
		"unknown, after DATA": {oneMail + "S: 554 5.6.211 Invalid MIME Content", record.ReasonSMTPRejected, 0},
		"known, after DATA":   {oneMail + "S: 554 5.2.0 SendAsDenied; a not allowed", record.ReasonSMTPSendAsDenied, 0},
		"unknown sender":      {"C: MAIL FROM:<a@b>\nS: 550 no", record.ReasonSMTPRejected, 0},
		"unknown recipient":   {"C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 550 5.7.1 no", record.ReasonSMTPRejected, 0},
		"unknown, to AUTH": {"C: AUTH LOGIN\nS: 334 x\nC: cQ==\nS: 334 x\nC: cQ==\nS: 454 4.7.0 not now",
			record.ReasonSMTPRejected, 0},
		"DATA itself":                 {"C: DATA\nS: 451 4.3.0 not now", record.ReasonSMTPRejected, 0},
		"tried again":                 {oneMail + "S: 432 4.3.2 Concurrent connections\n" + oneMail + "S: 250 2.0.0 OK", "", 1},
		"the second mail":             {oneMail + "S: 250 OK\n" + oneMail + "S: 554 5.0.0 no", record.ReasonSMTPRejected, 1},
		"AUTH again":                  {"C: AUTH CRAM-MD5\nS: 504 5.7.4 no\nC: AUTH PLAIN x\nS: 235 ok", "", 0},
		"after a sign-in that failed": {"C: AUTH PLAIN x\nS: 535 5.7.3 no\nC: MAIL FROM:<a@b>\nS: 530 5.7.0 no", record.ReasonSMTPRejected, 0},
		"one of two recipients": {"C: RCPT TO:<c@d>|RCPT TO:<e@f>\nS: 550 5.7.1 no|250 ok\nC: RSET\nS: 250 ok",
			record.ReasonSMTPRejected, 0},
		"one, and another mail": {"C: RCPT TO:<c@d>\nS: 550 5.7.1 no\n" + oneMail + "S: 250 ok", record.ReasonSMTPRejected, 1},
		"pipelined": {"C: MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA\nS: 250 ok|550 5.7.64 no|503 5.5.2 Need rcpt",
			record.ReasonSMTPRelayDenied, 0},
		"pipelined, 554 to DATA": {"C: RCPT TO:<c@d>|DATA\nS: 550 5.7.1 no|554 no valid recipients\nC: QUIT\nS: 221 bye",
			record.ReasonSMTPRejected, 0},
		"AUTH, cancelled":                {"C: AUTH LOGIN\nS: 334 x\nC: *\nS: 501 5.7.0 cancelled", "", 0},
		"BDAT":                           {"C: BDAT 6 LAST|QUIT||~\nS: 554 5.6.0 no", record.ReasonSMTPRejected, 0},
		"BDAT in chunks":                 {"C: BDAT 6|QUIT||~\nS: 250 ok\nC: bdat 0 last\nS: 250 ok", "", 1},
		"BDAT, the first chunk":          {"C: BDAT 2||~\nS: 552 5.3.4 no\nC: RSET\nS: 250 ok", record.ReasonSMTPMessageTooLarge, 0},
		"421 to MAIL":                    {"C: MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA\nS: 421 4.7.0 go away", record.ReasonSMTPRejected, 0},
		"421 to EHLO":                    {"C: EHLO a\nS: 421 4.7.0 Too many connections", record.ReasonUpstreamRefusedSession, 0},
		"EHLO, then HELO":                {"C: EHLO a\nS: 502 5.5.1 no\nC: HELO a\nS: 250 ok", "", 0},
		"421 to nothing":                 {"C: NOOP\nS: 250 ok\nS: 421 4.4.2 timeout", "", 0},
		"a command that does not matter": {"C: VRFY x\nS: 502 5.5.1 no\nC: XCLIENT\nS: 500 5.5.1 no\nC: NOOP|QUIT\nS: 250 ok|221 bye", "", 0},
		"in the middle of the content": {strings.Replace(oneMail, "|.\n", "~\n", 1) + "S: 552 5.0.0 no\nC: x|.|QUIT\nS: 221 bye",
			record.ReasonSMTPMessageTooLarge, 0},
		"an empty line, answered":     {"C: |MAIL FROM:<a@b>\nS: 500 5.5.2 no|550 5.0.0 no", record.ReasonSMTPRejected, 0},
		"an empty line, not answered": {"C: |MAIL FROM:<a@b>\nS: 550 5.0.0 no", record.ReasonSMTPRejected, 0},
		"AUTH, pipelined": {"C: AUTH LOGIN|QUIT|MAIL\nS: 334 x|334 x|535 5.7.8 no\n" + oneMail + "S: 554 5.0.0 no",
			record.ReasonSMTPRejected, 0},
		"not understood, but known": {"S: hello\nS: 550 5.7.60 no", record.ReasonSMTPSendAsDenied, 0},
		"not understood":            {"S: hello\nC: MAIL FROM:<a@b>\nS: 550 no", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := find(t, record.ProtocolSMTP, tt.script, end{})
			if reasonOf(found) != tt.want || found.Accepted != tt.accepted {
				t.Errorf("got %q, %d accepted; want %q, %d", reasonOf(found), found.Accepted, tt.want, tt.accepted)
			}
		})
	}
}

// aMail is a mail from one address to another, with the reply to its content.
func aMail(from, to, reply string) string {
	return "C: MAIL FROM:<" + from + ">\nS: 250 ok\nC: RCPT TO:<" + to + ">\nS: 250 ok\nC: DATA\nS: 354 go\nC: x|.\nS: " + reply + "\n"
}

// A mail that was refused is lost until that mail arrives, and not another one.
func TestSMTPLostMails(t *testing.T) {
	t.Parallel()
	const (
		rejected = record.ReasonSMTPRejected
		accepted = "250 2.0.0 OK"
		busy     = "432 4.3.2 later"
		refused  = "554 5.6.0 no"
		noSender = "C: MAIL FROM:<a@b>\nS: 451 4.3.0 later\n"
		noSignIn = "C: AUTH PLAIN x\nS: 535 5.7.3 no\n"
	)
	ok := aMail("a@b", "c@d", accepted)
	for name, tt := range map[string]struct {
		script string
		want   record.Reason
	}{
		"refused, then another mail":        {aMail("a@b", "x@y", refused) + ok, rejected},
		"refused, then the same":            {aMail("a@b", "c@d", refused) + ok, rejected},
		"busy, then the same":               {aMail("a@b", "c@d", busy) + ok, ""},
		"busy, then another recipient":      {aMail("a@b", "x@y", busy) + ok, rejected},
		"busy, then another sender":         {aMail("x@y", "c@d", busy) + ok, rejected},
		"busy, then another, then it":       {aMail("a@b", "x@y", busy) + ok + aMail("a@b", "x@y", accepted), ""},
		"accepted, then busy":               {ok + aMail("a@b", "c@d", busy), rejected},
		"upper case and parameters":         {aMail("A@B> SIZE=1000", "C@d> NOTIFY=NEVER", busy) + ok, ""},
		"without brackets":                  {strings.NewReplacer("<", " ", ">", "").Replace(aMail("a@b", "c@d", busy)) + ok, ""},
		"sender refused for now":            {noSender + ok, ""},
		"sender refused for now, pipelined": {"C: MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA\nS: 451 4.3.0 later|503 5.5.1 no|503 5.5.1 no\n" + ok, ""},
		"sender refused, then another":      {"C: MAIL FROM:<x@y>\nS: 550 5.7.1 no\n" + ok, rejected},
		"sender refused for good":           {"C: MAIL FROM:<a@b> SIZE=9\nS: 550 5.7.1 no\n" + ok, rejected},
		"too large, then a small one":       {"C: MAIL FROM:<a@b> SIZE=9\nS: 552 5.3.4 no\n" + ok, record.ReasonSMTPMessageTooLarge},
		"sender without sign-in, then with": {"C: MAIL FROM:<a@b>\nS: 530 5.7.57 no\nC: AUTH PLAIN x\nS: 235 ok\n" + ok, ""},
		"a parameter, then without":         {"C: MAIL FROM:<a@b> BODY=8BITMIME\nS: 555 5.5.4 no\n" + ok, ""},
		"recipient refused for now": {"C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 451 4.7.1 greylisted\nC: RSET\nS: 250 ok\n" + ok,
			""},
		"recipients refused, then another": {"C: MAIL FROM:<a@b>|RCPT TO:<x@y>|DATA\nS: 250 ok|550 5.1.1 no|554 5.5.1 none\n" + ok,
			record.ReasonSMTPRecipientUnknown},
		"DATA refused for now": {"C: MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA\nS: 250 ok|250 ok|451 4.3.0 later\n" + ok, ""},
		"BDAT, then the same":  {"C: MAIL FROM:<a@b>|RCPT TO:<c@d>\nS: 250 ok|250 ok\nC: BDAT 1|x~\nS: 452 4.3.1 later\n" + ok, ""},
		"BDAT without a recipient": {
			"C: MAIL FROM:<a@b>|RCPT TO:<c@d>|BDAT 1 LAST|x~\nS: 250 ok|450 4.2.1 later|554 5.5.1 none\n" + ok, "",
		},
		"content without a recipient": {
			"C: MAIL FROM:<a@b>|RCPT TO:<c@d>\nS: 250 ok|450 4.2.1 later\nC: DATA\nS: 354 go\nC: .\nS: 554 5.5.1 none\n" + ok, "",
		},
		"BDAT, then another": {"C: MAIL FROM:<a@b>|RCPT TO:<x@d>\nS: 250 ok|250 ok\nC: BDAT 1|x~\nS: 452 4.3.1 later\n" + ok,
			rejected},
		"sign-in refused, then a sender": {noSignIn + "C: MAIL FROM:<a@b>\nS: 250 ok\nC: QUIT\nS: 221 bye", record.ReasonSMTPAuthFailed},
		"sign-in refused, then EHLO":     {noSignIn + "C: EHLO a\nS: 250 ok", record.ReasonSMTPAuthFailed},
		"sign-in refused, then a mail":   {noSignIn + ok, ""},
		"a mail, then a sign-in":         {aMail("a@b", "c@d", refused) + "C: AUTH PLAIN x\nS: 235 ok", rejected},
		"not understood, then a sign-in": {"S: hello\nS: 550 5.7.60 no\nS: 235 ok", record.ReasonSMTPSendAsDenied},
		"not understood, two sign-ins":   {"S: hello\nS: 535 5.7.3 no\nS: 235 ok", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := find(t, record.ProtocolSMTP, tt.script, end{})
			if reasonOf(found) != tt.want || found.Accepted != strings.Count(tt.script, accepted) {
				t.Errorf("got %q, %d accepted; want %q", reasonOf(found), found.Accepted, tt.want)
			}
		})
	}
}

// A recipient that was refused did not get the mail that others got.
func TestSMTPRefusedRecipients(t *testing.T) {
	t.Parallel()
	partly := "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>|RCPT TO:<e@f>|RCPT TO:<g@h>\nS: 450 4.2.1 secret|250 ok|450 4.2.1 no\n" +
		"C: DATA\nS: 354 go\nC: x|.\nS: 250 2.0.0 OK\n"
	found := find(t, record.ProtocolSMTP, partly, end{})
	if reasonOf(found) != record.ReasonSMTPRejected || found.Accepted != 1 {
		t.Fatalf("got %+v", found)
	}
	got := found.Failure.Error()
	if !strings.Contains(got, "450 4.2.1 to RCPT; recipients refused: 2") || strings.Contains(got, "secret") {
		t.Errorf("says %q", got)
	}
	partly += aMail("a@b", "g@h", "250 2.0.0 OK")
	if got := reasonOf(find(t, record.ProtocolSMTP, partly, end{})); got != record.ReasonSMTPRejected {
		t.Errorf("one of them got it later: got %q", got)
	}
	partly += aMail("a@b", "c@d", "250 2.0.0 OK")
	if got := reasonOf(find(t, record.ProtocolSMTP, partly, end{})); got != "" {
		t.Errorf("both got it later: got %q", got)
	}
}

// What is held of mails that may be tried again is bounded, and what is beyond that
// stays lost.
func TestSMTPRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSMTP(false)
	for i := range 2 * maxRecipients {
		watch(s, script(aMail("a@b", strconv.Itoa(i), "451 4.3.0 later")), func() int { return 1 << 20 })
	}
	if len(s.refusals.again) != maxRecipients {
		t.Errorf("holds %d mails", len(s.refusals.again))
	}
	for i := range 2 * maxRecipients {
		watch(s, script(aMail("a@b", strconv.Itoa(i), "250 ok")), func() int { return 1 << 20 })
	}
	if len(s.refusals.again) != 0 || reasonOf(s.finding(end{})) != record.ReasonSMTPRejected {
		t.Errorf("holds %d mails, got %+v", len(s.refusals.again), s.finding(end{}))
	}
	s.fromClient([]byte("MAIL FROM:<a@b>\r\n"))
	s.fromDestination([]byte("250 ok\r\n"))
	for range 3 * maxRecipients {
		s.fromClient([]byte("RCPT TO:<a@b>\r\n"))
		s.fromDestination([]byte("250 ok\r\n"))
	}
	if len(s.refusals.mail.to) != maxRecipients {
		t.Errorf("holds %d recipients", len(s.refusals.mail.to))
	}
}

// A greeting that refuses is a refusal of the session, whatever its code is.
func TestSMTPGreetingRefuses(t *testing.T) {
	t.Parallel()
	for _, greeting := range []string{"554 5.3.2 no service here", "421 4.3.2 going down", "554 no"} {
		s := newSMTP(true)
		s.fromDestination([]byte(greeting + "\r\n"))
		f := s.finding(end{}).Failure
		if f == nil || f.Reason != record.ReasonUpstreamRefusedSession || !strings.Contains(f.Error(), greeting) {
			t.Errorf("%s: got %v", greeting, f)
		}
	}
}

// A destination that refuses the whole session inside TLS is quoted.
func TestSMTPRefusedSession(t *testing.T) {
	t.Parallel()
	f := find(t, record.ProtocolSMTP, "C: EHLO a\nS: 421 4.7.0 Too many connections", end{first: destination}).Failure
	if f == nil || f.Reason != record.ReasonUpstreamRefusedSession || !strings.Contains(f.Error(), "Too many connections") {
		t.Errorf("got %v", f)
	}
}

// Which side ended the session, and in the middle of what, is judged by what was said.
func TestSMTPEnds(t *testing.T) {
	t.Parallel()
	const (
		up   = record.ReasonUpstreamCutOff
		down = record.ReasonClientCutOff
		idle = record.ReasonIdleTimeout
	)
	content := strings.Replace(oneMail, "|.\n", "~\n", 1)
	chunk := "C: BDAT 100||some of it~"
	begun := "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@b>\nS: 250 ok\n"
	for name, tt := range map[string]struct {
		script string
		end    end
		want   record.Reason
	}{
		"destination, before DATA":          {begun, end{first: destination}, up},
		"destination's reset, before DATA":  {begun, end{first: destination, failed: true}, up},
		"client, before DATA":               {begun, end{first: client}, down},
		"client's reset, before DATA":       {begun, end{first: client, failed: true}, down},
		"nobody, before DATA":               {begun, end{idle: true}, idle},
		"421 before DATA":                   {begun + "S: 421 4.4.2 timeout", end{first: client}, up},
		"client, before RCPT":               {"C: MAIL FROM:<a@b>\nS: 250 ok", end{first: client}, down},
		"client, RSET before DATA":          {begun + "C: RSET\nS: 250 ok", end{first: client}, ""},
		"client, RSET in one go":            {"C: MAIL FROM:<a@b>|RSET\nS: 250 ok|250 ok", end{first: client}, ""},
		"client, QUIT before DATA":          {begun + "C: QUIT\nS: 221 bye", end{first: client}, ""},
		"client, EHLO before DATA":          {begun + "C: EHLO a\nS: 250 ok", end{first: client}, ""},
		"client, after DATA is refused":     {begun + "C: DATA\nS: 451 no", end{first: client}, record.ReasonSMTPRejected},
		"client, after RCPT is refused":     {begun + "C: RCPT TO:<d@b>\nS: 550 no", end{first: client}, record.ReasonSMTPRejected},
		"destination, in the content":       {content, end{first: destination}, up},
		"destination's reset, in it":        {content, end{first: destination, failed: true}, up},
		"client, in the content":            {content, end{first: client}, down},
		"client's reset, in it":             {content, end{first: client, failed: true}, down},
		"nobody, in the content":            {content, end{idle: true}, idle},
		"nobody, in a chunk":                {chunk, end{idle: true}, idle},
		"nobody, in a command":              {"C: MAIL FROM:<a~", end{idle: true}, idle},
		"nobody, before a reply":            {"C: MAIL FROM:<a@b>", end{idle: true}, idle},
		"nobody, in AUTH":                   {"C: AUTH LOGIN\nS: 334 x", end{idle: true}, idle},
		"nobody, between mails":             {oneMail + "S: 250 ok", end{idle: true}, ""},
		"nobody, after a refusal":           {oneMail + "S: 550 5.0.0 no", end{idle: true}, record.ReasonSMTPRejected},
		"nobody, after QUIT":                {"C: QUIT", end{idle: true}, ""},
		"nobody, not understood":            {"S: hello\n" + content, end{idle: true}, ""},
		"destination, after the content":    {oneMail, end{first: destination}, up},
		"client half-closes after it":       {oneMail, end{first: client}, up},
		"client's reset after it":           {oneMail, end{first: client, failed: true}, down},
		"the final reply never comes":       {oneMail, end{idle: true}, up},
		"destination, in a chunk":           {chunk, end{first: destination}, up},
		"client, in a chunk":                {chunk, end{first: client}, down},
		"client, between chunks":            {"C: BDAT 2||~\nS: 250 ok", end{first: client}, down},
		"destination, between chunks":       {"C: BDAT 2||~\nS: 250 ok", end{first: destination}, up},
		"client, after RSET":                {"C: BDAT 2||RSET\nS: 250 ok|250 ok", end{first: client}, ""},
		"destination, after the last chunk": {"C: BDAT 2 LAST||~", end{first: destination}, up},
		"client, after the reply":           {oneMail + "S: 250 ok", end{first: client, failed: true}, ""},
		"destination, after the reply":      {oneMail + "S: 250 ok", end{first: destination}, ""},
		"destination, after a refusal":      {oneMail + "S: 550 5.0.0 no", end{first: destination}, record.ReasonSMTPRejected},
		"421 in the content":                {content + "S: 421 4.3.2 going down", end{first: destination}, record.ReasonSMTPRejected},
		"destination, before 354":           {"C: DATA", end{first: destination}, up},
		"client, before 354":                {"C: QUIT", end{first: client}, ""},
		"destination, in AUTH":              {"C: AUTH LOGIN\nS: 334 x\nC: x", end{first: destination}, up},
		"client, in AUTH":                   {"C: AUTH LOGIN\nS: 334 x", end{first: client}, ""},
		"destination, QUIT":                 {"C: QUIT", end{first: destination}, ""},
		"destination, idle":                 {"C: NOOP\nS: 250 ok\nS: 421 4.4.2 idle", end{first: destination}, ""},
		"not understood":                    {"S: hello\n" + content, end{first: destination}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := reasonOf(find(t, record.ProtocolSMTP, tt.script, tt.end)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// For a server that takes LF for the end of a line, so does the content end.
func TestSMTPLooseEnd(t *testing.T) {
	t.Parallel()
	s := newSMTP(false)
	s.fromClient([]byte("DATA\n"))
	s.fromDestination([]byte("354 go\r\n"))
	s.fromClient([]byte("Subject: scan\n\n.\n"))
	s.fromDestination([]byte("250 ok\r\n"))
	s.fromClient([]byte("MAIL FROM:<a@b>\n"))
	s.fromDestination([]byte("550 no\r\n"))
	if found := s.finding(end{}); found.Accepted != 1 || reasonOf(found) != record.ReasonSMTPRejected {
		t.Errorf("got %+v", found)
	}
}

// Nothing of what a client signs in with is held, and little of anything else.
func TestSMTPHoldsNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "c2VjcmV0"
	s := newSMTP(false)
	for _, said := range []string{"AUTH PLAIN " + secret, "AUTH LOGIN\r\n" + secret, strings.Repeat(secret, 10000)} {
		s.fromClient([]byte(said))
		if held := string(s.command.head[:cap(s.command.head)]); strings.Contains(held, secret[:3]) {
			t.Errorf("holds %q", held)
		}
		s.fromClient([]byte("\r\n"))
	}
	for range 100 {
		s.fromClient([]byte(strings.Repeat("NOOP\r\n", 1000)))
	}
	if cap(s.pending.items) > 2*maxPending || cap(s.command.head) > 2*maxCommand {
		t.Errorf("holds %d commands and %d bytes", cap(s.pending.items), cap(s.command.head))
	}
}

func FuzzSMTP(f *testing.F) {
	fuzzWatcher(f, record.ProtocolSMTP, oneMail+"S: 250 ok", "C: BDAT 6|QUIT||~\nS: 250 ok\nC: bdat 0 last\nS: 250 ok",
		"S: 220 mx\nC: EHLO a\nS: 250-a|250 b\nC: AUTH LOGIN\nS: 334 x\nC: x\nS: 535 5.7.139 no", "C: DATA|x|.|QUIT\nS: 503 no|221 bye")
}
