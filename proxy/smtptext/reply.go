package smtptext

import (
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// Codes returns the codes of a line of a reply; both are empty if it is none, and the
// second one if it has none (RFC 2034). It is called for each reply of a session.
func Codes(line string) (code, enhanced string) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || digits(line) < 3 {
		return "", ""
	}
	return line[:3], enhancedCode(line[min(4, len(line)):])
}

// enhancedCode returns the enhanced status code with which s begins, for example 5.7.60; empty if it
// begins with none.
func enhancedCode(s string) string {
	if len(s) == 0 || s[0] != '2' && s[0] != '4' && s[0] != '5' {
		return ""
	}
	n := 1
	for range 2 { // subject and detail
		if n == len(s) || s[n] != '.' {
			return ""
		}
		some := digits(s[n+1:])
		if some == 0 {
			return ""
		}
		n += 1 + some
	}
	if n < len(s) && isWord(s[n]) {
		return ""
	}
	return s[:n]
}

// digits returns with how many digits s begins, of three at most.
func digits(s string) (n int) {
	for n < min(3, len(s)) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

func isWord(b byte) bool {
	return '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || b == '_'
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

// Reason returns the reason of a negative reply; empty when it is not known.
func Reason(code, enhanced, text string) record.Reason {
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
