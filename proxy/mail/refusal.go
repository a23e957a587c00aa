package mail

import (
	"fmt"

	"github.com/tlslift/tlslift/proxy/record"
)

// Refusal returns what a client reads before its connection is closed, in the
// words of a mail protocol. The destination's own words go first.
func Refusal(p record.Protocol, f *record.Failure) []byte {
	if f.Reply != nil {
		return f.Reply
	}
	status := f.Reason.SMTPStatus()
	isTemporary := status[0] == '4'
	text := fmt.Sprintf("%s (tlslift: %s)", f.Reason.Cause(), f.Reason)
	switch {
	case p == record.ProtocolSMTP:
		return fmt.Appendf(nil, "%s %s\r\n", status, text)
	case p == record.ProtocolIMAP && isTemporary: // RFC 5530
		return fmt.Appendf(nil, "* BYE [UNAVAILABLE] %s\r\n", text)
	case p == record.ProtocolIMAP:
		return fmt.Appendf(nil, "* BYE %s\r\n", text)
	case isTemporary: // RFC 3206
		return fmt.Appendf(nil, "-ERR [SYS/TEMP] %s\r\n", text)
	}
	return fmt.Appendf(nil, "-ERR [SYS/PERM] %s\r\n", text)
}
