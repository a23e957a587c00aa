package dialogue

import (
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// The replies are the same however they are cut into writes.
func TestReplyMeterSeesThroughCuts(t *testing.T) {
	t.Parallel()
	const stream = "220 mx ready\r\n250-mx\r\n250-SIZE 1\r\n250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n" +
		"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.\r\n" +
		"250 2.1.0 Sender OK\n250 2.1.0 Sender OK\r\n221 bye\r\n"
	want := []record.SMTPReply{
		{Code: "220", Enhanced: "", Count: 1}, {Code: "250", Enhanced: "", Count: 1}, {Code: "334", Enhanced: "",
			Count: 1}, {Code: "535", Enhanced: "5.7.139", Count: 1}, {Code: "250", Enhanced: "2.1.0", Count: 2}, {Code: "221",
			Enhanced: "", Count: 1},
	}
	for size := 1; size <= len(stream); size++ {
		s := newSMTP(false)
		for piece := range slices.Chunk([]byte(stream), size) {
			s.fromDestination(piece)
		}
		found := s.finding(end{})
		if !slices.Equal(found.Replies, want) || found.Negative != "535 5.7.139" {
			t.Fatalf("in pieces of %d: %v, %q", size, found.Replies, found.Negative)
		}
	}
}

// Each known reply has its reason, whatever is around it; one to the end of a mail that
// is not known is a rejection all the same.
func TestKnownReplies(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]record.Reason{
		"421 4.7.66 TLS 1.0 and 1.1 are not supported.":                                                record.ReasonSMTPTLSTooOld,
		"535 5.7.3 Authentication unsuccessful [X.outlook.com]":                                        record.ReasonSMTPAuthFailed,
		"535 5.7.139 Authentication unsuccessful, the request did not meet the criteria":               record.ReasonSMTPAuthBlocked,
		"535-5.7.139 Authentication unsuccessful,\r\n535 5.7.139 SmtpClientAuthentication is disabled": record.ReasonSMTPAuthDisabled,
		"530 5.7.57 Client not authenticated to send mail":                                             record.ReasonSMTPNotAuthenticated,
		"530 5.7.1 Client was not authenticated to send anonymous mail during MAIL FROM":               record.ReasonSMTPNotAuthenticated,
		"550 5.7.60 SMTP; Client does not have permissions to send as this sender":                     record.ReasonSMTPSendAsDenied,
		"554 5.2.252 SendAsDenied; a@x not allowed to send as b@x":                                     record.ReasonSMTPSendAsDenied,
		"554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied":      record.ReasonSMTPSendAsDenied,
		"432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/x":                      record.ReasonSMTPTooManyConnections,
		"432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded":                                record.ReasonSMTPTooManyConnections,
		"554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed":             record.ReasonSMTPQuotaExceeded,
		"550 5.1.8 Access denied, bad outbound sender":                                                 record.ReasonSMTPSenderBlocked,
		"550 5.7.64 TenantAttribution; Relay Access Denied":                                            record.ReasonSMTPRelayDenied,
		"451 4.4.62 Mail sent to the wrong Office 365 region":                                          record.ReasonSMTPRelayDenied,
		"550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain":                            record.ReasonSMTPRelayDenied,
		"550 5.7.68 TenantInboundAttribution; Direct Send not allowed":                                 record.ReasonSMTPDirectSendRejected,
		"550 5.7.606 Access denied, banned sending IP [192.0.2.1]":                                     record.ReasonSMTPAddressBlocked,
		"550 5.7.649 Access denied":                                                                    record.ReasonSMTPAddressBlocked,
		"550 5.7.650 something else":                                                                   record.ReasonSMTPRejected,
		"550 5.7.705 Access denied, tenant has exceeded threshold":                                     record.ReasonSMTPTenantBlocked,
		"550 5.7.708 Access denied, traffic not accepted from this IP":                                 record.ReasonSMTPAddressBlocked,
		"550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains":       record.ReasonSMTPTenantBlocked,
		"451 4.7.500 Server busy. Please try again later from [192.0.2.1].":                            record.ReasonSMTPThrottled,
		"504 5.7.4 Unrecognized authentication type":                                                   record.ReasonSMTPAuthMechanism,
		"550 5.4.1 Recipient address rejected: Access denied.":                                         record.ReasonSMTPRecipientUnknown,
		"550 5.7.30 Basic authentication is not supported for Client Submission.":                      record.ReasonSMTPBasicAuthEnded,
		"535 5.7.30 Basic authentication is not supported for Client Submission.":                      record.ReasonSMTPBasicAuthEnded,
		"552 5.3.4 Message size exceeds fixed maximum message size":                                    record.ReasonSMTPMessageTooLarge,
		"550 5.1.1 No such user":            record.ReasonSMTPRecipientUnknown,
		"554 5.6.0 Corrupt message content": record.ReasonSMTPRejected,
		"452 4.5.3 Too many recipients":     record.ReasonSMTPRejected,
		"250 2.0.0 OK 5.7.60":               "",
	} {
		s := newSMTP(false)
		s.fromClient([]byte("MAIL FROM:<a@b>\r\n"))
		s.fromDestination([]byte(reply + "\r\n"))
		if got := reasonOf(s.finding(end{})); got != want {
			t.Errorf("%s: got %q, want %q", reply, got, want)
		}
	}
}

// Whatever a destination sends, little of it is held.
func TestReplyMeterIsBounded(t *testing.T) {
	t.Parallel()
	s := newSMTP(false)
	for range 1000 {
		s.fromDestination([]byte(strings.Repeat("x", 1000)))
	}
	s.fromDestination([]byte("\n" + strings.Repeat("250-more\r\n", 10000)))
	for code := range 300 {
		s.fromDestination([]byte("5" + string(rune('0'+code/10%10)) + string(rune('0'+code%10)) + " 5." + string(rune('0'+code/100)) +
			".0 no\r\n"))
	}
	m := &s.replies
	if cap(m.line.head) > 2*maxReplyText || cap(m.text) > 2*maxReplyText || len(m.counts) > maxReplyCodes {
		t.Errorf("holds %d and %d bytes, %d codes", cap(m.line.head), cap(m.text), len(m.counts))
	}
}
