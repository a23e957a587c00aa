package metrics

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/tlslift/tlslift/proxy"
)

// Whatever codes a destination makes up, the series stay few, and no reply is
// lost from the sum.
func TestReplyCodesAreBounded(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	const codes = 3 * maxReplyCodes
	for i := range codes {
		observe(m, &proxy.Record{
			Client: netip.MustParseAddr("10.0.0.1"), Outcome: proxy.OutcomeLifted,
			SMTPReplies: []proxy.SMTPReply{{Code: "250", Enhanced: "2." + strconv.Itoa(i) + ".0", Count: 2}},
		})
	}
	total, distinct := sum(t, m.Gatherer(), clientSMTPReplies, "enhanced_code")
	if total != 2*codes || distinct != maxReplyCodes+1 {
		t.Errorf("%d replies under %d codes, want %d under %d", total, distinct, 2*codes, maxReplyCodes+1)
	}
}
