package mail

import (
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

const imapGreet = "S: * OK ready\nc: * OK ready\n"

func TestIMAPLockstep(t *testing.T) {
	t.Parallel()
	const tlsUp = "C: a2 STARTTLS\ns: a2 STARTTLS\nS: a2 OK go\nc: a2 OK go\n"
	for name, tt := range map[string]struct {
		script string
		reason record.Reason
	}{
		"ordinary": {imapGreet + "C: a1 CAPABILITY\ns: a1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 STARTTLS " +
			"LOGINDISABLED|a1 OK done\nc: * CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\nc: a1 OK done\n" + tlsUp, ""},
		"greeting with capabilities": {"S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi\nc: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi\n" + tlsUp, ""},
		"sign-in is offered early": {"S: * OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hi\nc: * OK hi\nC: a1 " +
			"CAPABILITY\ns: a1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN STARTTLS|a1 OK [CAPABILITY AUTH=PLAIN] done\n" +
			"c: * CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\nc: a1 OK done\n" + tlsUp, ""},
		"a line that nobody asked": {"S: * OK hi|* OK be patient\nc: * OK hi\nC: a NOOP\ns: a NOOP\nS: a OK\nc: * OK be " +
			"patient\nc: a OK\n" + tlsUp, ""},
		"such a line at STARTTLS": {"S: * OK hi|* OK be patient\nc: * OK hi\nC: a STARTTLS\n", record.ReasonUpstreamReplyInjected},
		"ID with a literal": {imapGreet + "C: a ID {3+}\nc: a NO [PRIVACYREQUIRED] Use STARTTLS first\n",
			record.ReasonPlaintextNotAllowed},
		"a word in braces":         {imapGreet + "C: a NOOP\ns: a NOOP\nS: * OK {x}|a OK\nc: * OK {x}\nc: a OK\n" + tlsUp, ""},
		"lower-case, padded, bare": {imapGreet + "C:  a2  starttls ~\ns: a2 STARTTLS\nS: a2 OK go\nc: a2 OK go\n", ""},
		"ID and NOOP": {imapGreet + "C: a ID (\"name\" \"scanner\")\ns: a ID (\"name\" \"scanner\")\nS: * ID " +
			"NIL|a OK\nc: * ID NIL\nc: a OK\nC: b NOOP\ns: b NOOP\nS: b OK\nc: b OK\n" + tlsUp, ""},
		"LOGOUT": {imapGreet + "C: a LOGOUT\ns: a LOGOUT\nS: * BYE|a OK\nc: * BYE\nc: a OK\n", record.ReasonClosedBeforeTLS},
		"LOGIN without TLS": {imapGreet + "C: a LOGIN user secret\nc: a NO [PRIVACYREQUIRED] Use STARTTLS first\n" +
			"C: b LOGOUT\ns: b LOGOUT\nS: * BYE|b OK\nc: * BYE\nc: b OK\n", record.ReasonPlaintextNotAllowed},
		"LOGIN with literals": {imapGreet + "C: a LOGIN {4}\nc: a NO [PRIVACYREQUIRED] Use STARTTLS first\n" + tlsUp, ""},
		"LOGIN with eager literals": {imapGreet + "C: a LOGIN {20+}|b STARTTLS|ccccccccc {6+}|secret\nc: a NO " +
			"[PRIVACYREQUIRED] Use STARTTLS first\n", record.ReasonPlaintextNotAllowed},
		"NOOP with an eager literal": {imapGreet + "C: a NOOP {8+}|b NOOP a\n" +
			"c: a BAD Wrong arguments\n", record.ReasonMalformedBeforeTLS},
		"no command, and an eager literal": {imapGreet + "C: a {8+}|b NOOP a\n" +
			"c: a NO [PRIVACYREQUIRED] Use STARTTLS first\n", record.ReasonPlaintextNotAllowed},
		"STARTTLS with an eager literal": {imapGreet + "C: a STARTTLS {8+}|b NOOP a\n" +
			"c: a BAD Wrong arguments\n", record.ReasonMalformedBeforeTLS},
		"AUTHENTICATE without TLS": {imapGreet + "C: a AUTHENTICATE PLAIN c2VjcmV0\nc: a NO [PRIVACYREQUIRED] Use " +
			"STARTTLS first\nC!\n", record.ReasonPlaintextNotAllowed},
		"no command": {imapGreet + "C: hello\nc: * BAD Not a command\nC: *\\ x\nc: * BAD Not a command\n" + tlsUp, ""},
		"NUL in a line": {imapGreet + "C: a ID (\x00)\nc: a BAD Wrong arguments\n" +
			"C: \x00 x\nc: * BAD Not a command\n" + tlsUp, ""},
		"NUL and an eager literal":  {imapGreet + "C: a LOGIN \x00 {6+}|secret\n", record.ReasonMalformedBeforeTLS},
		"STARTTLS with an argument": {imapGreet + "C: a STARTTLS x\nc: a BAD Wrong arguments\n" + tlsUp, ""},
		"command in its wake":       {imapGreet + "C: a STARTTLS|b LOGIN evil evil\n", record.ReasonCommandAfterStartTLS},
		"reply in its wake": {imapGreet + "C: a STARTTLS\ns: a STARTTLS\nS: a OK go|* CAPABILITY IMAP4rev1 " +
			"AUTH=PLAIN\n", record.ReasonUpstreamReplyInjected},
		"untagged reply before it": {imapGreet + "C: a STARTTLS\ns: a STARTTLS\nS: * CAPABILITY IMAP4rev1 STARTTLS|a OK " +
			"go\nc: * CAPABILITY IMAP4rev1 STARTTLS\nc: a OK go\n", ""},
		"STARTTLS is refused": {imapGreet + "C: a STARTTLS\ns: a STARTTLS\nS: a BAD no\n", record.ReasonUpstreamNoStartTLS},
		"STARTTLS is stripped": {imapGreet + "C: a CAPABILITY\ns: a CAPABILITY\nS: * CAPABILITY IMAP4rev1|a OK\n",
			record.ReasonUpstreamNoStartTLS},
		"PREAUTH": {"S: * PREAUTH welcome\n", record.ReasonUpstreamReplyMalformed},
		"BYE":     {"S: * BYE busy\n", record.ReasonUpstreamRefusedSession},
		"BYE to a command": {imapGreet + "C: a CAPABILITY\ns: a CAPABILITY\nS: * BYE too many\nS!\n",
			record.ReasonUpstreamRefusedSession},
		"another protocol":          {"S: 220 mx\n", record.ReasonUpstreamReplyMalformed},
		"a literal in a reply":      {imapGreet + "C: a CAPABILITY\ns: a CAPABILITY\nS: * X {100}\n", record.ReasonUpstreamReplyMalformed},
		"a continuation in a reply": {imapGreet + "C: a NOOP\ns: a NOOP\nS: + go on\n", record.ReasonUpstreamReplyMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newStage(t, record.ProtocolIMAP).negotiate(tt.script)
			if reasonOf(t, got.err) != tt.reason || got.plaintext {
				t.Errorf("ended with %v (%q), want %q", got.err, reasonOf(t, got.err), tt.reason)
			}
		})
	}
}

func TestIMAPOwnGreeting(t *testing.T) {
	t.Parallel()
	const inside = "C: a CAPABILITY\ns: a CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR IDLE|a " +
		"OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] done\n"
	for name, tt := range map[string]struct {
		plaintext bool
		script    string
		goesOn    bool // without TLS
		pending   string
	}{
		"STARTTLS": {false, inside + "c: * CAPABILITY IMAP4rev1 IDLE STARTTLS LOGINDISABLED\nc: a OK done\nC: b STARTTLS\n" +
			"c: b OK Begin TLS now\n", false, ""},
		"plaintext is allowed": {true, inside + "c: * CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR IDLE STARTTLS\nc: a OK done\n" +
			"C: b LOGIN user secret\n", true, "b LOGIN user secret\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, record.ProtocolIMAP)
			s.session.Plaintext = tt.plaintext
			s.secure()
			got := s.negotiate("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready [x]\nc: * OK ready [x]\n" + tt.script)
			if got.err != nil || got.plaintext != tt.goesOn || got.pending != tt.pending {
				t.Errorf("ended with %v %q %v", got.plaintext, got.pending, got.err)
			}
		})
	}
}

func TestIMAPOnBehalf(t *testing.T) {
	t.Parallel()
	s := newStage(t, record.ProtocolIMAP)
	got := s.during("S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hi\ns: tlslift0 STARTTLS\nS: tlslift0 OK go\nc: * OK hi\n", func() error {
		s.session.client.phase = clientImplicitTLS
		if err := s.session.Secure(t.Context()); err != nil {
			return err
		}
		return s.resume()
	})
	if got.err != nil {
		t.Error(got.err)
	}
}
