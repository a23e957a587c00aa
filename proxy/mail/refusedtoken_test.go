package mail

import (
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A destination that signs nobody in for now says nothing of the mailbox, and another
// token would be refused the same.
func TestTemporaryRefusalOfToken(t *testing.T) {
	t.Parallel()
	smtpPlain := opened + "C: AUTH PLAIN PLAIN64\ns: AUTH XOAUTH2 TOKEN1\n"
	imapPlain := imapOpened + "C: a1 AUTHENTICATE PLAIN PLAIN64\ns: tlslift0 AUTHENTICATE XOAUTH2 TOKEN1\n"
	popPlain := popOpened + "C: AUTH PLAIN PLAIN64\ns: AUTH XOAUTH2\nS: +\ns: TOKEN1\n"
	for name, tt := range map[string]struct {
		protocol record.Protocol
		script   string
		reason   record.Reason
	}{
		"SMTP 454": {record.ProtocolSMTP, smtpPlain + "S: 454 4.7.0 Temporary authentication failure\n" +
			"c: 454 4.7.0 Temporary authentication failure\nC!\n", record.ReasonSMTPRejected},
		"SMTP 451 after a challenge": {record.ProtocolSMTP, smtpPlain + "S: 334 e30=\ns: \nS: 451 later\nc: 451 later\nC!\n",
			record.ReasonSMTPRejected},
		"SMTP 432": {record.ProtocolSMTP, smtpPlain + "S: 432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded\n" +
			"c: 432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded\nC!\n", record.ReasonSMTPTooManyConnections},
		"IMAP UNAVAILABLE": {record.ProtocolIMAP, imapPlain + "S: tlslift0 NO [UNAVAILABLE] later\n", record.ReasonUpstreamRefusedSession},
		"IMAP LIMIT after a challenge": {record.ProtocolIMAP, imapPlain + "S: + e30=\ns: \nS: tlslift0 NO [LIMIT] too many sessions\n",
			record.ReasonUpstreamRefusedSession},
		"POP3 SYS/TEMP": {record.ProtocolPOP3, popPlain + "S: -ERR [SYS/TEMP] later\n", record.ReasonUpstreamRefusedSession},
		"POP3 IN-USE":   {record.ProtocolPOP3, popPlain + "S: -ERR [IN-USE] locked\n", record.ReasonUpstreamRefusedSession},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tokens := &tokenSource{}
			got := signInOf(t, tt.protocol, device, tokens).signIn(tt.script)
			if reason := reasonOf(t, got.err); reason != tt.reason || tokens.renewed != 0 {
				t.Errorf("got %v, %d tokens renewed; want %s", got.err, tokens.renewed, tt.reason)
			}
		})
	}
}
