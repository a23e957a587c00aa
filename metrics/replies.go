package metrics

import "github.com/tlslift/tlslift/proxy/record"

// none stands for an enhanced status code that a reply did not have.
const none = "none"

// A replyKey identifies an SMTP reply.
type replyKey struct{ code, enhanced string }

// newReplyKey returns both codes as label values.
func newReplyKey(k replyKey) replyKey {
	if k.enhanced == "" {
		k.enhanced = none
	}
	return replyKey{label(k.code), label(k.enhanced)}
}

// countReplies counts the replies of one connection.
func (m *Metrics) countReplies(c *client, replies []record.SMTPReply) {
	for _, r := range replies {
		labels, ok := m.replyCodes.get(replyKey{r.Code, r.Enhanced}, false)
		if !ok {
			labels = replyKey{other, other}
		}
		m.series.count(c, clientSMTPReplies, float64(r.Count), m.series.values(labels.code, labels.enhanced), m.series.values(other, other))
	}
}
