package dialogue

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// maxReplyCodes bounds the different replies of one connection; those above it
// are not counted. A session with each reply of RFC 5321 has fewer.
const maxReplyCodes = 40

// maxReplyText bounds what is looked at of one reply.
const maxReplyText = 512

// A replyMeter reads SMTP replies and counts them. It keeps the codes and nothing of
// the text, which names mailboxes.
type replyMeter struct {
	counts   []record.SMTPReply
	negative string // the last reply of the classes 4 and 5

	line line   // being read, as far as it is looked at
	text []byte // of the reply being read, likewise
}

// read takes in bytes on their way to the client, and gives each whole reply to take,
// with its code and the reason that is known by its text; no code means that a line
// is no reply.
func (m *replyMeter) read(p []byte, take func(code string, known record.Reason)) {
	for len(p) > 0 {
		rest, whole := m.line.take(p)
		if !whole {
			return
		}
		p = rest
		line := m.line.end()
		if room := maxReplyText - len(m.text); room > 0 {
			m.text = append(m.text, line[:min(len(line), room)]...)
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		take(m.endReply(line))
		m.text = m.text[:0]
	}
}

var (
	replyCode    = regexp.MustCompile(`^[2-5][0-9]{2}`)
	enhancedCode = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`)
)

// endReply counts a reply by its last line.
func (m *replyMeter) endReply(line string) (code string, known record.Reason) {
	code = replyCode.FindString(line)
	if code == "" {
		return "", ""
	}
	enhanced := enhancedCode.FindString(line[min(4, len(line)):])
	m.count(code, enhanced)
	if code[0] < '4' {
		return code, ""
	}
	m.negative = record.SMTPReply{Code: code, Enhanced: enhanced}.String()
	return code, replyReason(code, enhanced, string(m.text))
}

func (m *replyMeter) count(code, enhanced string) {
	i := slices.IndexFunc(m.counts, func(r record.SMTPReply) bool { return r.Code == code && r.Enhanced == enhanced })
	switch {
	case i >= 0:
		m.counts[i].Count++
	case len(m.counts) < maxReplyCodes:
		m.counts = append(m.counts, record.SMTPReply{Code: code, Enhanced: enhanced, Count: 1})
	}
}

// A knownReply is a reply of Microsoft 365 whose cause is known. Empty fields
// match everything; the first match counts.
type knownReply struct {
	code, enhanced, text string
	reason               record.Reason
}

var knownReplies = []knownReply{
	{"421", "4.7.66", "", record.ReasonSMTPTLSTooOld},
	{"535", "5.7.139", "smtpclientauthentication is disabled", record.ReasonSMTPAuthDisabled},
	{"535", "5.7.139", "", record.ReasonSMTPAuthBlocked},
	{"", "5.7.30", "", record.ReasonSMTPBasicAuthEnded},
	{"535", "", "", record.ReasonSMTPAuthFailed},
	{"504", "5.7.4", "", record.ReasonSMTPAuthMechanism},
	{"530", "5.7.57", "", record.ReasonSMTPNotAuthenticated},
	{"", "", "client was not authenticated", record.ReasonSMTPNotAuthenticated},
	{"", "5.7.60", "", record.ReasonSMTPSendAsDenied},
	{"", "5.2.252", "", record.ReasonSMTPSendAsDenied},
	{"", "", "sendasdenied", record.ReasonSMTPSendAsDenied},
	{"432", "", "sender thread limit", record.ReasonSMTPTooManyConnections},
	{"", "4.3.2", "concurrent connections", record.ReasonSMTPTooManyConnections},
	{"", "", "submissionquotaexceeded", record.ReasonSMTPQuotaExceeded},
	{"550", "5.1.8", "", record.ReasonSMTPSenderBlocked},
	{"", "5.7.64", "", record.ReasonSMTPRelayDenied},
	{"", "4.4.62", "", record.ReasonSMTPRelayDenied},
	{"", "5.7.54", "", record.ReasonSMTPRelayDenied},
	{"550", "5.4.1", "", record.ReasonSMTPRecipientUnknown},
	{"", "5.1.1", "", record.ReasonSMTPRecipientUnknown},
	{"", "5.1.10", "", record.ReasonSMTPRecipientUnknown},
	{"", "5.7.705", "", record.ReasonSMTPTenantBlocked},
	{"", "5.7.750", "", record.ReasonSMTPTenantBlocked},
	{"", "5.7.708", "", record.ReasonSMTPAddressBlocked},
	{"", "4.7.500", "", record.ReasonSMTPThrottled},
	{"", "5.7.68", "", record.ReasonSMTPDirectSendRejected},
	{"", "5.3.4", "", record.ReasonSMTPMessageTooLarge},
	{"552", "", "", record.ReasonSMTPMessageTooLarge},
}

// replyReason returns the reason of a negative reply; empty when it is not known.
func replyReason(code, enhanced, text string) record.Reason {
	text = strings.ToLower(text)
	for _, k := range knownReplies {
		if (k.code == "" || k.code == code) && (k.enhanced == "" || k.enhanced == enhanced) && strings.Contains(text, k.text) {
			return k.reason
		}
	}
	if isBannedAddress(enhanced) {
		return record.ReasonSMTPAddressBlocked
	}
	return ""
}

// isBannedAddress recognises 5.7.606 to 5.7.649, one for each block list.
func isBannedAddress(enhanced string) bool {
	detail, is := strings.CutPrefix(enhanced, "5.7.")
	n, err := strconv.Atoi(detail)
	return is && err == nil && n >= 606 && n <= 649
}

// ReasonOf returns the reason of a negative reply of an SMTP destination, whole as it
// came; empty when its text is not known.
func ReasonOf(reply []byte) (reason record.Reason) {
	var m replyMeter
	m.line.keep = upTo(maxReplyText)
	m.read(reply, func(_ string, known record.Reason) { reason = known })
	return reason
}
