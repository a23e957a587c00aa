package dialogue

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A destination that is gone without a word is the reason of what it has cost; where
// nothing was under way, it has cost nothing.
func TestGoneWithoutAWord(t *testing.T) {
	t.Parallel()
	silent := &relay.CutOffError{Side: relay.Upstream, Err: fmt.Errorf("it acknowledges nothing: %w", relay.ErrIdle)}
	err := record.Fail(silent.Reason(), silent)
	smtp := []string{"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", "250 a\r\n250 b\r\n250 c\r\n354 go on\r\n"}
	for name, tt := range map[string]struct {
		says []string // client and destination, in turn
		want record.Reason
	}{
		"idle":                    {[]string{"EHLO x\r\n", "250 a\r\n"}, ""},
		"in the content":          {append(smtp[:2:2], "Subject: x\r\n"), record.ReasonUpstreamCutOff},
		"after the end of a mail": {append(smtp[:2:2], "Subject: x\r\n.\r\n"), record.ReasonUpstreamCutOff},
		"accepted, then QUIT":     {append(smtp[:2:2], "Subject: x\r\n.\r\n", "250 queued\r\n", "QUIT\r\n"), ""},
		"in a command":            {[]string{"EHLO x\r\n", "250 a\r\n", "MAIL FROM:<a@b>\r\n"}, record.ReasonUpstreamCutOff},
	} {
		s := New(record.ProtocolSMTP, false)
		for i, text := range tt.says {
			if i%2 == 0 {
				s.Sent([]byte(text))
			} else {
				s.received([]byte(text))
			}
		}
		found := s.Finding(errors.Is(err, relay.ErrIdle))
		settled := found.Settled(err)
		var f *record.Failure
		if got := found.End(settled); !errors.As(got, &f) != (tt.want == "") || f != nil && f.Reason != tt.want {
			t.Errorf("%s: got %v, want %q", name, got, tt.want)
		}
	}
}
