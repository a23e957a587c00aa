package dialogue

import (
	"io"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// What a client sends after the destination has ended the session, as an idle one
// does, has no reply and needs none.
func TestSentAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		protocol     record.Protocol
		before, then string
	}{
		"SMTP": {record.ProtocolSMTP, oneMail + "S: 250 ok\nS: 421 4.4.2 idle", "RSET\r\nQUIT\r\n"},
		"IMAP": {record.ProtocolIMAP, "C: a LOGIN x y\nS: a OK\nS: * BYE idle", "b NOOP\r\n"},
		"POP3": {record.ProtocolPOP3, "C: PASS y\nS: +OK", "NOOP\r\n"},
	} {
		s := New(tt.protocol, false)
		watch(s.watcher, script(tt.before), func() int { return 1 << 20 })
		s.ended(destination, io.EOF)
		s.Sent([]byte(tt.then))
		if got := reasonOf(s.Finding(false)); got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// A dialogue that is not understood to its end says so, so that a reset counts.
func TestLost(t *testing.T) {
	t.Parallel()
	w := newWatcher(record.ProtocolSMTP, false)
	watch(w, script("C: AUTH PLAIN x|MAIL FROM:<a@b>\nS: 235 ok|250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\nC: half~"),
		func() int { return 1 << 20 })
	if got := w.finding(end{first: destination, failed: true}); !got.Lost && reasonOf(got) == "" {
		t.Errorf("a mail that was cut off is neither lost nor a failure: %+v", got)
	}
}

// Dialogues of clients that save a round trip are understood.
func TestDialoguesInOneWrite(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		protocol record.Protocol
		script   string
		want     record.Reason
	}{
		"a command after DONE": {record.ProtocolIMAP,
			"C: a LOGIN x y\nS: a OK\nC: b IDLE\nS: + x\nC: DONE|c FETCH 1 BODY[]\nS: b OK|* 1 FETCH (BODY[] {100}|abc~",
			record.ReasonUpstreamCutOff},
		"AUTH lists mechanisms, then PASS": {record.ProtocolPOP3,
			"C: AUTH\nS: +OK|LOGIN|.\nC: USER x\nS: +OK\nC: PASS y\nS: -ERR no", record.ReasonPOP3AuthFailed},
		"AUTH lists mechanisms, then a cut": {record.ProtocolPOP3,
			"C: AUTH\nS: +OK|LOGIN|.\nC: PASS y\nS: +OK\nC: RETR 1\nS: +OK|abc", record.ReasonUpstreamCutOff},
		"a literal that does not wait": {record.ProtocolIMAP,
			"C: a APPEND x {20+}\nS: a NO [OVERQUOTA]\nC: From x y secret 12|\nC: b LOGOUT\nS: * BYE x|b OK", ""},
	} {
		w := newWatcher(tt.protocol, false)
		watch(w, script(tt.script), func() int { return 1 << 20 })
		if got := w.finding(end{first: destination, failed: true}); got.Lost || reasonOf(got) != tt.want {
			t.Errorf("%s: got %q, lost %t; want %q", name, reasonOf(got), got.Lost, tt.want)
		}
	}
}
