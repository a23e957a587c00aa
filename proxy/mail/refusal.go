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
	text := fmt.Sprintf("%s (tlslift: %s)", f.Reason.Cause(), f.Reason)
	switch p {
	case record.ProtocolSMTP:
		return fmt.Appendf(nil, "%s %s\r\n", f.Reason.SMTPStatus(), text)
	case record.ProtocolIMAP:
		if code := f.Reason.IMAPCode(); code != "" {
			text = "[" + code + "] " + text
		}
		return fmt.Appendf(nil, "* BYE %s\r\n", text)
	}
	return fmt.Appendf(nil, "-ERR [%s] %s\r\n", f.Reason.POP3Code(), text)
}
