package dialogue

import (
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A sign-in that is refused is seen, and nothing that only looks like one.
func TestReadingRefusals(t *testing.T) {
	t.Parallel()
	const (
		imap = record.ProtocolIMAP
		pop  = record.ProtocolPOP3
	)
	for name, tt := range map[string]struct {
		protocol record.Protocol
		script   string
		want     record.Reason
	}{
		"LOGIN": {imap, "S: * OK hi\nC: a LOGIN x y\nS: a NO LOGIN failed.\nC: b LOGOUT\nS: * BYE|b OK",
			record.ReasonIMAPAuthFailed},
		"LOGIN, literals":     {imap, "C: a LOGIN {3}\nS: + go\nC: b c {2+}|x|\nS: a NO no", record.ReasonIMAPAuthFailed},
		"literal refused":     {imap, "C: a LOGIN {3}\nS: a BAD no literals\nC: b LOGIN x y\nS: b OK in", ""},
		"AUTHENTICATE":        {imap, "C: a AUTHENTICATE PLAIN\nS: + x\nC: AGEAYg==\nS: a NO AUTHENTICATE failed.", record.ReasonIMAPAuthFailed},
		"AUTHENTICATE, ok":    {imap, "C: a LOGIN x y\nS: a NO no\nC: b AUTHENTICATE XOAUTH2 e30=\nS: b OK done", ""},
		"BYE as the greeting": {imap, "S: * BYE too many connections", record.ReasonUpstreamRefusedSession},
		"BYE to a sign-in":    {imap, "S: * OK hi\nC: a LOGIN x y\nS: * BYE go away", record.ReasonUpstreamRefusedSession},
		"in use":              {imap, "C: a LOGIN x y\nS: a NO [INUSE] locked", record.ReasonUpstreamRefusedSession},
		"LOGOUT":              {imap, "S: * OK hi\nC: a LOGOUT\nS: * BYE bye|a OK", ""},
		"BYE, signed in":      {imap, "C: a LOGIN x y\nS: a OK\nS: * BYE idle", ""},
		"mail that looks so": {imap, "C: a LOGIN x y\nS: a OK\n" +
			"C: b FETCH 1 BODY[]\nS: * 1 FETCH (BODY[] {12}|* BYE|b NO x|)|b OK\nC: c NOOP\nS: c NO x",
			""},
		"APPEND": {imap, "C: a APPEND x {14}\nS: + go\nC: b LOGIN x y|  |\nS: a OK\nC: c LOGIN x y\nS: c NO x",
			record.ReasonIMAPAuthFailed},
		"IDLE":          {imap, "C: a IDLE\nS: + idling\nC: DONE\nS: a OK\nC: b LOGIN x y\nS: b BAD x", record.ReasonIMAPAuthFailed},
		"IMAP, unknown": {imap, "S: hello\nC: a LOGIN x y\nS: a NO x", ""},
		"PASS":          {pop, "C: USER x\nS: +OK\nC: PASS y\nS: -ERR Logon failure", record.ReasonPOP3AuthFailed},
		"PASS again":    {pop, "C: USER x\nS: +OK\nC: PASS y\nS: -ERR no\nC: PASS z\nS: +OK", ""},
		"PASS, then USER": {pop, "C: USER x\nS: +OK\nC: PASS y\nS: -ERR no\nC: USER x\nS: +OK\nC: QUIT\nS: +OK",
			record.ReasonPOP3AuthFailed},
		"USER":              {pop, "C: USER x\nS: -ERR no mailbox\nC: USER x\nS: +OK", record.ReasonPOP3AuthFailed},
		"PASS, then CAPA":   {pop, "C: PASS y\nS: -ERR no\nC: CAPA|NOOP\nS: +OK|USER|.|+OK", record.ReasonPOP3AuthFailed},
		"locked, then USER": {pop, "C: PASS y\nS: -ERR [IN-USE] locked\nC: USER x\nS: +OK", record.ReasonUpstreamRefusedSession},
		"PASS, then APOP":   {pop, "C: PASS y\nS: -ERR no\nC: APOP x y\nS: +OK", ""},
		"LOGIN, then CAPABILITY": {imap, "C: a LOGIN x y\nS: a NO no\nC: b CAPABILITY|c ID NIL\nS: * CAPABILITY X|b OK|* ID NIL|c OK",
			record.ReasonIMAPAuthFailed},
		"AUTH":          {pop, "C: AUTH XOAUTH2\nS: + \nC: QUIT\nS: -ERR Authentication failure", record.ReasonPOP3AuthFailed},
		"pipelined":     {pop, "C: CAPA|USER x|PASS y|QUIT\nS: +OK|-ERR x|.|+OK|-ERR no|+OK", record.ReasonPOP3AuthFailed},
		"locked":        {pop, "C: PASS y\nS: -ERR [IN-USE] locked", record.ReasonUpstreamRefusedSession},
		"POP3 mail":     {pop, "C: RETR 1|LIST 1|UIDL\nS: +OK|-ERR no|..|.|-ERR none|+OK|1 a|.\nC: DELE 1\nS: -ERR no", ""},
		"POP3, unknown": {pop, "S: +OK\nC: PASS y\nS: -ERR no", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := reasonOf(find(t, tt.protocol, tt.script, end{})); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Which side ended a session that reads mail, and in the middle of what.
func TestReadingEnds(t *testing.T) {
	t.Parallel()
	const (
		imap = record.ProtocolIMAP
		pop  = record.ProtocolPOP3
		up   = record.ReasonUpstreamCutOff
		down = record.ReasonClientCutOff
		idle = record.ReasonIdleTimeout
	)
	reset := end{first: client, failed: true}
	for name, tt := range map[string]struct {
		protocol record.Protocol
		script   string
		end      end
		want     record.Reason
	}{
		"IMAP, in a literal":            {imap, "C: a FETCH 1 BODY[]\nS: * 1 FETCH (BODY[] {100}|abc~", end{first: destination}, up},
		"IMAP, a literal of no command": {imap, "S: * 1 FETCH (X {100}|abc~", end{first: destination, failed: true}, up},
		"IMAP, before a tagged reply":   {imap, "C: a FETCH 1 FLAGS\nS: * 1 FETCH ()", end{first: destination}, up},
		"IMAP, after it":                {imap, "C: a FETCH 1 FLAGS\nS: * 1 FETCH ()|a OK", end{first: destination}, ""},
		"IMAP, LOGOUT":                  {imap, "C: a LOGOUT\nS: * BYE", end{first: destination}, ""},
		"IMAP, IDLE":                    {imap, "C: a IDLE\nS: + idling", end{first: destination}, ""},
		"IMAP, refused":                 {imap, "C: a LOGIN x y\nS: a NO x\nC: b NOOP", end{first: destination}, record.ReasonIMAPAuthFailed},
		"IMAP, client in a literal":     {imap, "C: a APPEND x {100}\nS: + go\nC: abc~", end{first: client}, down},
		"IMAP, client after it":         {imap, "C: a APPEND x {3}\nS: + go\nC: abc|~", end{first: client}, ""},
		"IMAP, client in a download":    {imap, "C: a FETCH 1 BODY[]\nS: * 1 FETCH (BODY[] {100}|abc~", end{first: client}, ""},
		"IMAP, client's reset in it":    {imap, "C: a FETCH 1 BODY[]\nS: * 1 FETCH (BODY[] {100}|abc~", reset, down},
		"IMAP, client's reset, awaited": {imap, "C: a FETCH 1 FLAGS\nS: * 1 FETCH ()", reset, down},
		"IMAP, client's reset after it": {imap, "C: a FETCH 1 FLAGS\nS: * 1 FETCH ()|a OK", reset, ""},
		"IMAP, client's reset, IDLE":    {imap, "C: a IDLE\nS: + idling", reset, ""},
		"IMAP, client's reset, LOGOUT":  {imap, "C: a LOGOUT", reset, ""},
		"IMAP, unknown":                 {imap, "S: hello\nC: a NOOP", end{first: destination}, ""},
		"IMAP, nobody":                  {imap, "C: a LOGIN x y\nS: a OK", end{idle: true}, ""},
		"IMAP, nobody in IDLE":          {imap, "C: a IDLE\nS: + idling", end{idle: true}, ""},
		"IMAP, nobody after LOGOUT":     {imap, "C: a LOGOUT\nS: * BYE", end{idle: true}, ""},
		"IMAP, nobody in a literal":     {imap, "C: a APPEND x {100}\nS: + go\nC: abc~", end{idle: true}, idle},
		"IMAP, nobody in a command":     {imap, "C: a FETCH~", end{idle: true}, idle},
		"IMAP, nobody before a reply":   {imap, "C: a FETCH 1 FLAGS\nS: * 1 FETCH ()", end{idle: true}, idle},
		"POP3, nobody":                  {pop, "C: RETR 1\nS: +OK|From: x|.", end{idle: true}, ""},
		"POP3, nobody in a mail":        {pop, "C: RETR 1\nS: +OK|From: x", end{idle: true}, idle},
		"POP3, nobody in a command":     {pop, "C: DELE~", end{idle: true}, idle},
		"POP3, nobody before a reply":   {pop, "C: DELE 1", end{idle: true}, idle},
		"POP3, nobody after QUIT":       {pop, "C: QUIT", end{idle: true}, ""},
		"POP3, in a mail":               {pop, "C: RETR 1\nS: +OK|From: x", end{first: destination}, up},
		"POP3, after it":                {pop, "C: RETR 1\nS: +OK|From: x|.", end{first: destination}, ""},
		"POP3, in a list":               {pop, "C: UIDL\nS: +OK|1 a", end{first: destination, failed: true}, up},
		"POP3, before a reply":          {pop, "C: DELE 1", end{first: destination}, up},
		"POP3, QUIT":                    {pop, "C: QUIT", end{first: destination}, ""},
		"POP3, client in a mail":        {pop, "C: RETR 1\nS: +OK|From: x", end{first: client}, ""},
		"POP3, client's reset in it":    {pop, "C: RETR 1\nS: +OK|From: x", reset, down},
		"POP3, client's reset, awaited": {pop, "C: DELE 1", reset, down},
		"POP3, client's reset after it": {pop, "C: RETR 1\nS: +OK|From: x|.", reset, ""},
		"POP3, client's reset, QUIT":    {pop, "C: QUIT", reset, ""},
		"POP3, refused":                 {pop, "C: PASS x\nS: -ERR no\nC: STAT", end{first: destination}, record.ReasonPOP3AuthFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := reasonOf(find(t, tt.protocol, tt.script, tt.end)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A greeting that refuses has its words in the failure.
func TestReadingGreetings(t *testing.T) {
	t.Parallel()
	for p, said := range map[record.Protocol]string{
		record.ProtocolIMAP: "* BYE too many", record.ProtocolPOP3: "-ERR too many",
	} {
		w := newWatcher(p, true)
		w.fromDestination([]byte(said + "\r\n"))
		f := w.finding(end{}).Failure
		if f == nil || f.Reason != record.ReasonUpstreamRefusedSession || !strings.Contains(f.Error(), said) {
			t.Errorf("%s: got %v", p, f)
		}
	}
}

// Nothing of what a client signs in with is held.
func TestReadingHoldsNoSecret(t *testing.T) {
	t.Parallel()
	i, p := newIMAP(false), newPOP3(false)
	for _, said := range []string{"a LOGIN user sesame", "b LOGIN {6+}\r\nsesame {6+}\r\nsesame", "c AUTHENTICATE PLAIN sesame", "sesame"} {
		i.fromClient([]byte(said))
		if held := string(i.client.line.head[:cap(i.client.line.head)]); strings.Contains(held, "ses") {
			t.Errorf("IMAP holds %q", held)
		}
		i.fromClient([]byte("\r\n"))
	}
	for _, said := range []string{"PASS sesame", "AUTH PLAIN sesame", "sesame"} {
		p.fromClient([]byte(said))
		if held := string(p.command.head[:cap(p.command.head)]); strings.Contains(held, "ses") {
			t.Errorf("POP3 holds %q", held)
		}
		p.fromClient([]byte("\r\n"))
	}
}

func FuzzIMAP(f *testing.F) {
	fuzzWatcher(f, record.ProtocolIMAP, "S: * OK hi\nC: a LOGIN {3}\nS: + go\nC: b c {2+}|x|\nS: a NO no",
		"C: a AUTHENTICATE PLAIN\nS: + x\nC: x\nS: a NO x", "C: a IDLE\nS: + x\nC: DONE\nS: a OK|* 1 FETCH {3}|abc)")
}

func FuzzPOP3(f *testing.F) {
	fuzzWatcher(f, record.ProtocolPOP3, "S: +OK hi\nC: CAPA|PASS y\nS: +OK|x|.|-ERR no", "C: AUTH PLAIN\nS: + x\nC: x\nS: -ERR no")
}
