package prologue

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
		kind   Kind
	}{
		"ordinary":              {popGreet + "C: CAPA\ns: CAPA\nS: +OK|TOP|STLS|USER|SASL PLAIN|.\nc: +OK\nc: TOP\nc: STLS\nc: .\n" + tlsUp, ""},
		"lower-case and bare":   {popGreet + "C:  stls ~\ns: STLS\nS: +OK go\nc: +OK go\n", ""},
		"CAPA is unknown":       {popGreet + "C: CAPA\ns: CAPA\nS: -ERR what\nc: -ERR what\n" + tlsUp, ""},
		"QUIT":                  {popGreet + "C: QUIT\ns: QUIT\nS: +OK bye\nc: +OK bye\n", ClientClosed},
		"sign-in without TLS":   {popGreet + "C: USER user\nc: -ERR Use STLS first\nC: PASS secret\nc: -ERR Use STLS first\nC!\n", PlaintextRefused},
		"no command":            {popGreet + "C: \nc: -ERR Not a command\nC: STLS now\nc: -ERR Not a command\n" + tlsUp, ""},
		"command in its wake":   {popGreet + "C: STLS|USER evil\n", CommandAfterStartTLS},
		"reply in its wake":     {popGreet + "C: STLS\ns: STLS\nS: +OK go|+OK evil\n", UpstreamInjected},
		"STLS is refused":       {popGreet + "C: STLS\ns: STLS\nS: -ERR no\n", UpstreamNoStartTLS},
		"STLS is stripped":      {popGreet + "C: CAPA\ns: CAPA\nS: +OK|USER|.\n", UpstreamNoStartTLS},
		"turned down":           {"S: -ERR busy\n", UpstreamRefused},
		"another protocol":      {"S: * OK imap\n", UpstreamMalformed},
		"closes in a reply":     {popGreet + "C: CAPA\ns: CAPA\nS: +OK|USER\nS!\n", UpstreamClosed},
		"TLS where STLS is due": {popGreet + "C: \x80\x2e\x01\x03\x01\n", TLSBeforeStartTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newStage(t, record.ProtocolPOP3).converse(tt.script)
			if kindOf(t, got.err) != tt.kind || got.next != TLS {
				t.Errorf("ended with %v (%q), want %q", got.err, kindOf(t, got.err), tt.kind)
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
		next      Next
		pending   string
	}{
		"STLS":                 {false, inside + "c: +OK\nc: TOP\nc: STLS\nc: .\nC: STLS\nc: +OK Begin TLS now\n", TLS, ""},
		"plaintext is allowed": {true, inside + "c: +OK\nc: USER\nc: SASL PLAIN XOAUTH2\nc: TOP\nc: STLS\nc: .\nC: user me\n", Plain, "user me\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, record.ProtocolPOP3)
			s.session.Plaintext = tt.plaintext
			s.session.Secure(s.session.Upstream)
			got := s.converse(popGreet + tt.script)
			if got.err != nil || got.next != tt.next || got.pending != tt.pending {
				t.Errorf("ended with %v %q %v", got.next, got.pending, got.err)
			}
		})
	}
}
