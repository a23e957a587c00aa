package dialogue

import (
	"slices"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/smtptext"
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

// endReply counts a reply by its last line.
func (m *replyMeter) endReply(line string) (code string, known record.Reason) {
	code, enhanced := smtptext.Codes(line)
	if code == "" {
		return "", ""
	}
	m.count(code, enhanced)
	if code[0] < '4' {
		return code, ""
	}
	m.negative = record.SMTPReply{Code: code, Enhanced: enhanced}.String()
	return code, smtptext.Reason(code, enhanced, string(m.text))
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

// ReasonOf returns the reason of a negative reply of an SMTP destination, whole as it
// came; empty when its text is not known.
func ReasonOf(reply []byte) (reason record.Reason) {
	var m replyMeter
	m.line.keep = upTo(maxReplyText)
	m.read(reply, func(_ string, known record.Reason) { reason = known })
	return reason
}
