package mail

import (
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A client reads from the codes whether to ask for another password, to try again
// later, or to give up.
func TestRefusalCodes(t *testing.T) {
	t.Parallel()
	for reason, want := range map[record.Reason][3]string{
		record.ReasonSigninPasswordWrong:   {"535 5.7.8 The", "* BYE [AUTHENTICATIONFAILED] The", "-ERR [AUTH] The"},
		record.ReasonSigninTriesLimited:    {"454 4.7.0 There", "* BYE [UNAVAILABLE] There", "-ERR [SYS/TEMP] There"},
		record.ReasonMailboxBusy:           {"421 4.4.5 Other", "* BYE [UNAVAILABLE] Other", "-ERR [IN-USE] Other"},
		record.ReasonSenderNotAllowed:      {"550 5.7.60 The", "* BYE The", "-ERR [SYS/PERM] The"},
		record.ReasonTooManyConnections:    {"421 4.3.2 tlslift", "* BYE [UNAVAILABLE] tlslift", "-ERR [SYS/TEMP] tlslift"},
		record.ReasonDestinationNotAllowed: {"554 5.7.1 The", "* BYE The", "-ERR [SYS/PERM] The"},
	} {
		for i, protocol := range []record.Protocol{record.ProtocolSMTP, record.ProtocolIMAP, record.ProtocolPOP3} {
			got := string(Refusal(protocol, record.Fail(reason, nil)))
			end := " (tlslift: " + string(reason) + ")\r\n"
			if !strings.HasPrefix(got, want[i]) || !strings.HasSuffix(got, end) || strings.Count(got, "\r\n") != 1 {
				t.Errorf("%s, %s: %q, want %q and %q", reason, protocol, got, want[i], end)
			}
		}
	}
}
