package metrics

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// Whatever codes a destination makes up, the series stay few, and no reply is
// lost from the sum.
func TestReplyCodesAreBounded(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	const codes = 3 * maxReplyCodes
	for i := range codes {
		observe(m, &record.Record{
			Client: address(i / maxTuples), Outcome: record.OutcomeLifted,
			SMTPReplies: []record.SMTPReply{{Code: "250", Enhanced: "2." + strconv.Itoa(i) + ".0", Count: 2}},
		})
	}
	total, distinct := sum(t, m.Gatherer(), clientSMTPReplies, "enhanced_code")
	if total != 2*codes || distinct != maxReplyCodes+1 {
		t.Errorf("%d replies under %d codes, want %d under %d", total, distinct, 2*codes, maxReplyCodes+1)
	}
}

// Addresses that share a name in the clients file share its series.
func TestNamedClientsHaveTheirName(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	for _, addr := range []string{"10.0.0.1", "10.0.0.2"} {
		observe(m, &record.Record{
			Client: netip.MustParseAddr(addr), ClientName: "second floor", Protocol: "smtp", OfferedVersion: "TLS 1.0",
			Outcome: record.OutcomePassed,
		})
	}
	const want = `tlslift_client_connections_total{client="second floor",outcome="passed",protocol="smtp",tls_version="TLS 1.0"}`
	if got := series(t, m, want); got != "2" {
		t.Errorf("%s is %s, want 2", want, got)
	}
	if got := series(t, m, "tlslift_clients_tracked"); got != "1" {
		t.Errorf("%s clients are tracked, want 1", got)
	}
}
