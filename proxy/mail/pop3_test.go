package mail

import (
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

const popGreet = "S: +OK ready\nc: +OK ready\n"

func TestPOP3Lockstep(t *testing.T) {
	t.Parallel()
	const tlsUp = "C: STLS\ns: STLS\nS: +OK go\nc: +OK go\n"
	for name, tt := range map[string]struct {
		script string
		reason record.Reason
	}{
		"ordinary":            {popGreet + "C: CAPA\ns: CAPA\nS: +OK|TOP|STLS|USER|SASL PLAIN|.\nc: +OK\nc: TOP\nc: STLS\nc: .\n" + tlsUp, ""},
		"lower-case and bare": {popGreet + "C:  stls ~\ns: STLS\nS: +OK go\nc: +OK go\n", ""},
		"CAPA is unknown":     {popGreet + "C: CAPA\ns: CAPA\nS: -ERR what\nc: -ERR what\n" + tlsUp, ""},
		"QUIT":                {popGreet + "C: QUIT\ns: QUIT\nS: +OK bye\nc: +OK bye\n", record.ReasonClosedBeforeTLS},
		"sign-in without TLS": {popGreet + "C: USER user\nc: -ERR Use STLS first\nC: PASS secret\nc: -ERR Use STLS first\n" +
			"C!\n", record.ReasonPlaintextNotAllowed},
		"NUL in a line":         {popGreet + "C: CAPA\x00\nc: -ERR Not a command\n" + tlsUp, ""},
		"no command":            {popGreet + "C: \nc: -ERR Not a command\nC: STLS now\nc: -ERR Not a command\n" + tlsUp, ""},
		"command in its wake":   {popGreet + "C: STLS|USER evil\n", record.ReasonCommandAfterStartTLS},
		"reply in its wake":     {popGreet + "C: STLS\ns: STLS\nS: +OK go|+OK evil\n", record.ReasonUpstreamReplyInjected},
		"STLS is refused":       {popGreet + "C: STLS\ns: STLS\nS: -ERR no\n", record.ReasonUpstreamNoStartTLS},
		"STLS is stripped":      {popGreet + "C: CAPA\ns: CAPA\nS: +OK|USER|.\n", record.ReasonUpstreamNoStartTLS},
		"turned down":           {"S: -ERR busy\n", record.ReasonUpstreamRefusedSession},
		"another protocol":      {"S: * OK imap\n", record.ReasonUpstreamReplyMalformed},
		"closes in a reply":     {popGreet + "C: CAPA\ns: CAPA\nS: +OK|USER\nS!\n", record.ReasonUpstreamClosed},
		"TLS where STLS is due": {popGreet + "C: \x80\x2e\x01\x03\x01\n", record.ReasonTLSBeforeStartTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newStage(t, record.ProtocolPOP3).negotiate(tt.script)
			if reasonOf(t, got.err) != tt.reason || got.plaintext {
				t.Errorf("ended with %v (%q), want %q", got.err, reasonOf(t, got.err), tt.reason)
			}
		})
	}
}

func TestPOP3OwnGreeting(t *testing.T) {
	t.Parallel()
	const inside = "C: CAPA\ns: CAPA\nS: +OK|USER|SASL PLAIN XOAUTH2|TOP|.\n"
	for name, tt := range map[string]struct {
		plaintext bool
		script    string
		goesOn    bool // without TLS
		pending   string
	}{
		"STLS": {false, inside + "c: +OK\nc: TOP\nc: STLS\nc: .\nC: STLS\nc: +OK Begin TLS now\n", false, ""},
		"plaintext is allowed": {true, inside + "c: +OK\nc: USER\nc: SASL PLAIN XOAUTH2\nc: TOP\nc: STLS\nc: .\nC: user me\n",
			true, "user me\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, record.ProtocolPOP3)
			s.session.Plaintext = tt.plaintext
			s.secure()
			got := s.negotiate(popGreet + tt.script)
			if got.err != nil || got.plaintext != tt.goesOn || got.pending != tt.pending {
				t.Errorf("ended with %v %q %v", got.plaintext, got.pending, got.err)
			}
		})
	}
}
