package proxy

import (
	"bytes"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An SMTPReply is a reply code with its enhanced status code (RFC 3463), and
// how often it came.
type SMTPReply struct {
	Code     string // as in "550"
	Enhanced string // as in "5.7.60"; empty when there was none
	Count    int
}

// String is the codes alone.
func (r SMTPReply) String() string { return strings.TrimSpace(r.Code + " " + r.Enhanced) }

// maxReplyCodes bounds the different replies of one connection; those above it
// are not counted. A session with each reply of RFC 5321 has fewer.
const maxReplyCodes = 40

// maxReplyText bounds what is looked at of one reply.
const maxReplyText = 512

// A metered is the client's side of a lifted SMTP session. What goes to the
// client are the destination's replies and nothing else.
type metered struct {
	net.Conn
	replies *replyMeter
}

func (m metered) Write(p []byte) (int, error) {
	n, err := m.Conn.Write(p)
	m.replies.see(p[:n])
	return n, err
}

// CloseWrite half-closes.
func (m metered) CloseWrite() error { return closeWrite(m.Conn) }

// A replyMeter counts SMTP replies and knows those that a person can do
// something about. It keeps the codes and nothing of the text, which names
// mailboxes.
type replyMeter struct {
	counts   []SMTPReply
	negative string // the last reply of the classes 4 and 5
	reason   Reason // empty when nothing known went wrong

	line []byte // of the line being read, as far as it is looked at
	text []byte // of the reply being read, likewise
}

// see looks at bytes on their way to the client.
func (m *replyMeter) see(p []byte) {
	for len(p) > 0 {
		piece, rest, whole := bytes.Cut(p, []byte("\n"))
		if room := maxReplyText - len(m.line); room > 0 {
			m.line = append(m.line, piece[:min(len(piece), room)]...)
		}
		if !whole {
			return
		}
		m.endLine()
		p = rest
	}
}

func (m *replyMeter) endLine() {
	line := m.line
	m.line = m.line[:0]
	if room := maxReplyText - len(m.text); room > 0 {
		m.text = append(m.text, line[:min(len(line), room)]...)
	}
	if len(line) > 3 && line[3] == '-' {
		return
	}
	m.endReply(line)
	m.text = m.text[:0]
}

var (
	replyCode    = regexp.MustCompile(`^[2-5][0-9]{2}`)
	enhancedCode = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`)
)

// endReply counts a reply by its last line.
func (m *replyMeter) endReply(line []byte) {
	code := string(replyCode.Find(line))
	if code == "" {
		return
	}
	enhanced := string(enhancedCode.Find(line[min(4, len(line)):]))
	m.count(code, enhanced)
	switch {
	case code == "235":
		m.reason = "" // a sign-in that failed before does not matter any more
	case code[0] >= '4':
		m.negative = SMTPReply{Code: code, Enhanced: enhanced}.String()
		if r := replyReason(code, enhanced, string(m.text)); r != "" {
			m.reason = r
		}
	}
}

func (m *replyMeter) count(code, enhanced string) {
	i := slices.IndexFunc(m.counts, func(r SMTPReply) bool { return r.Code == code && r.Enhanced == enhanced })
	switch {
	case i >= 0:
		m.counts[i].Count++
	case len(m.counts) < maxReplyCodes:
		m.counts = append(m.counts, SMTPReply{code, enhanced, 1})
	}
}

// A knownReply is a reply of Microsoft 365 whose cause is known. Empty fields
// match everything; the first match counts.
type knownReply struct {
	code, enhanced, text string
	reason               Reason
}

var knownReplies = []knownReply{
	{"421", "4.7.66", "", ReasonSMTPTLSTooOld},
	{"535", "5.7.139", "smtpclientauthentication is disabled", ReasonSMTPAuthDisabled},
	{"535", "5.7.139", "", ReasonSMTPAuthBlocked},
	{"", "5.7.30", "", ReasonSMTPBasicAuthEnded},
	{"535", "", "", ReasonSMTPAuthFailed},
	{"530", "5.7.57", "", ReasonSMTPNotAuthenticated},
	{"", "", "client was not authenticated", ReasonSMTPNotAuthenticated},
	{"", "5.7.60", "", ReasonSMTPSendAsDenied},
	{"", "5.2.252", "", ReasonSMTPSendAsDenied},
	{"", "4.3.2", "concurrent connections", ReasonSMTPTooManyConnections},
	{"", "", "submissionquotaexceeded", ReasonSMTPQuotaExceeded},
	{"550", "5.1.8", "", ReasonSMTPSenderBlocked},
	{"", "5.7.64", "", ReasonSMTPRelayDenied},
	{"", "4.4.62", "", ReasonSMTPRelayDenied},
	{"", "5.7.68", "", ReasonSMTPDirectSendRejected},
	{"", "5.3.4", "", ReasonSMTPMessageTooLarge},
	{"552", "", "", ReasonSMTPMessageTooLarge},
}

// replyReason is the reason of a negative reply; empty when it is not known.
func replyReason(code, enhanced, text string) Reason {
	text = strings.ToLower(text)
	for _, k := range knownReplies {
		if (k.code == "" || k.code == code) && (k.enhanced == "" || k.enhanced == enhanced) && strings.Contains(text, k.text) {
			return k.reason
		}
	}
	if isBannedAddress(enhanced) {
		return ReasonSMTPAddressBlocked
	}
	return ""
}

// isBannedAddress knows 5.7.606 to 5.7.649, one for each block list.
func isBannedAddress(enhanced string) bool {
	detail, is := strings.CutPrefix(enhanced, "5.7.")
	n, err := strconv.Atoi(detail)
	return is && err == nil && n >= 606 && n <= 649
}
