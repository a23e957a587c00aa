package mail

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
		m := &replyMeter{}
		for piece := range slices.Chunk([]byte(stream), size) {
			m.read(piece)
		}
		if !slices.Equal(m.counts, want) || m.negative != "535 5.7.139" || m.reason != record.ReasonSMTPAuthDisabled {
			t.Fatalf("in pieces of %d: %v, %q, %q", size, m.counts, m.negative, m.reason)
		}
	}
}

// Each known reply has its reason, whatever is around it.
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
		"432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/x":                      record.ReasonSMTPTooManyConnections,
		"554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed":             record.ReasonSMTPQuotaExceeded,
		"550 5.1.8 Access denied, bad outbound sender":                                                 record.ReasonSMTPSenderBlocked,
		"550 5.7.64 TenantAttribution; Relay Access Denied":                                            record.ReasonSMTPRelayDenied,
		"451 4.4.62 Mail sent to the wrong Office 365 region":                                          record.ReasonSMTPRelayDenied,
		"550 5.7.68 TenantInboundAttribution; Direct Send not allowed":                                 record.ReasonSMTPDirectSendRejected,
		"550 5.7.606 Access denied, banned sending IP [192.0.2.1]":                                     record.ReasonSMTPAddressBlocked,
		"550 5.7.649 Access denied":                                                                    record.ReasonSMTPAddressBlocked,
		"550 5.7.650 something else":                                                                   "",
		"550 5.7.30 Basic authentication is not supported for Client Submission.":                      record.ReasonSMTPBasicAuthEnded,
		"535 5.7.30 Basic authentication is not supported for Client Submission.":                      record.ReasonSMTPBasicAuthEnded,
		"552 5.3.4 Message size exceeds fixed maximum message size":                                    record.ReasonSMTPMessageTooLarge,
		"550 5.1.1 No such user":                                                                       "",
		"250 2.0.0 OK 5.7.60":                                                                          "",
	} {
		m := &replyMeter{}
		m.read([]byte(reply + "\r\n"))
		if m.reason != want {
			t.Errorf("%s: got %q, want %q", reply, m.reason, want)
		}
	}
}

// A sign-in that works after all takes back the reason of the one before.
func TestReplyMeterForgivesAnEarlierSignIn(t *testing.T) {
	t.Parallel()
	m := &replyMeter{}
	m.read([]byte("535 5.7.3 Authentication unsuccessful\r\n235 2.7.0 ok\r\n"))
	if m.reason != "" || m.negative != "535 5.7.3" {
		t.Errorf("got %q, %q", m.reason, m.negative)
	}
}

// Whatever a destination sends, little of it is held.
func TestReplyMeterIsBounded(t *testing.T) {
	t.Parallel()
	m := &replyMeter{}
	for range 1000 {
		m.read([]byte(strings.Repeat("x", 1000)))
	}
	m.read([]byte("\n" + strings.Repeat("250-more\r\n", 10000)))
	for code := range 300 {
		m.read([]byte("5" + string(rune('0'+code/10%10)) + string(rune('0'+code%10)) + " 5." + string(rune('0'+code/100)) + ".0 no\r\n"))
	}
	if cap(m.line) > 2*maxReplyText || cap(m.text) > 2*maxReplyText || len(m.counts) > maxReplyCodes {
		t.Errorf("holds %d and %d bytes, %d codes", cap(m.line), cap(m.text), len(m.counts))
	}
}

func FuzzReplyMeter(f *testing.F) {
	f.Add([]byte("250-a\r\n250 2.0.0 ok\r\n"), 3)
	f.Add([]byte("535 5.7.139 no\n\n\r\n5"), 1)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		if size < 1 {
			return
		}
		whole, cut := &replyMeter{}, &replyMeter{}
		whole.read(stream)
		for piece := range slices.Chunk(stream, size) {
			cut.read(piece)
		}
		if !slices.Equal(whole.counts, cut.counts) || whole.reason != cut.reason {
			t.Errorf("in pieces of %d: %v %q, whole: %v %q", size, cut.counts, cut.reason, whole.counts, whole.reason)
		}
	})
}
