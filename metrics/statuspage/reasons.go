package statuspage

import (
	"net/http"

	"github.com/tlslift/tlslift/metrics/wording"
	"github.com/tlslift/tlslift/proxy/record"
)

// A reasonText is a reason with its sentences.
type reasonText struct{ Reason, Fault, Cause, Remedy string }

func reasonTextOf(r record.Reason, f record.Fault, cause, remedy string) reasonText {
	return reasonText{wording.Shown(string(r)), faultText(f), wording.Sentence(cause), wording.Sentence(remedy)}
}

// faultText returns whose fault a reason is, in words; empty for none.
func faultText(f record.Fault) string {
	return map[record.Fault]string{
		record.FaultNobody:      "nobody; nothing is wrong",
		record.FaultClient:      "client (the client, its settings or its network)",
		record.FaultTLSLift:     "tlslift (its settings, or the machine that it runs on)",
		record.FaultDestination: "destination (the destination, or the network between it and tlslift)",
		record.FaultMailbox:     "mailbox (the mailbox or the tenant at Microsoft 365)",
	}[f]
}

// A ruleText is a rule with its explanation.
type ruleText struct{ Rule, Meaning, Needs string }

// A reasonsPage is /reasons.
type reasonsPage struct {
	head
	Reasons []reasonText
	Rules   []ruleText
}

func (s *site) serveReasons(w http.ResponseWriter, _ *http.Request) {
	data := reasonsPage{head: s.head("Reasons and rules", "/reasons")}
	for _, r := range record.Reasons() {
		data.Reasons = append(data.Reasons, reasonTextOf(r, r.Fault(), r.Cause(), r.Remedy()))
	}
	for _, r := range record.Rules() {
		data.Rules = append(data.Rules, ruleText{string(r), r.Meaning(), r.Needs()})
	}
	s.render(w, http.StatusOK, "reasons.html", data)
}
