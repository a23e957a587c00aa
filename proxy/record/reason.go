package record

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"
)

// A Reason names why a connection was refused, failed or broke off. The set is
// closed: it labels metrics and log lines, so adding, renaming or removing one is
// a change of a public interface and needs a CHANGELOG line. The zero value means
// that nothing went wrong.
type Reason string

// The reasons, in the order of the stages of a connection. Each has a row in the
// table in reasons.go.
const (
	ReasonClientNotAllowed        Reason = "client_not_allowed"
	ReasonTooManyConnections      Reason = "too_many_connections"
	ReasonTooManyFromClient       Reason = "too_many_connections_from_client"
	ReasonShed                    Reason = "shed"
	ReasonProxyHeaderInvalid      Reason = "proxy_header_invalid"
	ReasonProxyHeaderUntrusted    Reason = "proxy_header_untrusted"
	ReasonNotRedirected           Reason = "not_redirected"
	ReasonRedirectLoop            Reason = "redirect_loop"
	ReasonTLSOnProxyPort          Reason = "tls_on_proxy_port"
	ReasonSOCKSOnProxyPort        Reason = "socks_on_proxy_port"
	ReasonHTTPRequestInvalid      Reason = "http_request_invalid"
	ReasonDestinationInvalid      Reason = "destination_invalid"
	ReasonDestinationIsAddress    Reason = "destination_is_address"
	ReasonDestinationNotAllowed   Reason = "destination_not_allowed"
	ReasonPortNotAllowed          Reason = "destination_port_not_allowed"
	ReasonAddressForbidden        Reason = "destination_address_forbidden"
	ReasonDestinationIsSelf       Reason = "destination_is_self"
	ReasonClosedBeforeHello       Reason = "closed_before_hello"
	ReasonClosedBeforeTLS         Reason = "closed_before_tls"
	ReasonPlaintextNotAllowed     Reason = "plaintext_not_allowed"
	ReasonMalformedBeforeTLS      Reason = "malformed_before_tls"
	ReasonTLSBeforeStartTLS       Reason = "tls_before_starttls"
	ReasonCommandAfterStartTLS    Reason = "command_after_starttls"
	ReasonHelloTimeout            Reason = "hello_timeout"
	ReasonHelloTruncated          Reason = "hello_truncated"
	ReasonHelloMalformed          Reason = "hello_malformed"
	ReasonHelloTooLarge           Reason = "hello_too_large"
	ReasonHTTPOnTLSPort           Reason = "http_on_tls_port"
	ReasonNotTLS                  Reason = "not_tls"
	ReasonNoServerName            Reason = "no_server_name"
	ReasonALPNMismatch            Reason = "application_protocol_mismatch"
	ReasonSSL2Only                Reason = "ssl2_only"
	ReasonSSL3Only                Reason = "ssl3_only"
	ReasonNoSharedVersion         Reason = "no_shared_version"
	ReasonCipherSuiteDisabled     Reason = "cipher_suite_disabled"
	ReasonNoSharedCipherSuite     Reason = "no_shared_cipher_suite"
	ReasonInappropriateFallback   Reason = "inappropriate_fallback"
	ReasonNameNotFound            Reason = "upstream_name_not_found"
	ReasonDNSFailed               Reason = "upstream_dns_failed"
	ReasonTooManyOpenFiles        Reason = "too_many_open_files"
	ReasonUpstreamRefused         Reason = "upstream_connection_refused"
	ReasonUpstreamTimeout         Reason = "upstream_timeout"
	ReasonUpstreamUnreachable     Reason = "upstream_unreachable"
	ReasonEgressProxyFailed       Reason = "upstream_proxy_failed"
	ReasonOverloaded              Reason = "overloaded"
	ReasonUpstreamTLSTooOld       Reason = "upstream_tls_too_old"
	ReasonUpstreamCertExpired     Reason = "upstream_certificate_expired"
	ReasonUpstreamCertUntrusted   Reason = "upstream_certificate_untrusted"
	ReasonUpstreamCertName        Reason = "upstream_certificate_name"
	ReasonUpstreamCertInvalid     Reason = "upstream_certificate_invalid"
	ReasonUpstreamHandshakeFailed Reason = "upstream_handshake_failed"
	ReasonUpstreamRefusedHello    Reason = "upstream_refused_hello"
	ReasonUpstreamHTTPFailed      Reason = "upstream_http_failed"
	ReasonUpstreamClosed          Reason = "upstream_closed"
	ReasonUpstreamNoStartTLS      Reason = "upstream_starttls_missing"
	ReasonUpstreamReplyInjected   Reason = "upstream_reply_injected"
	ReasonUpstreamReplyMalformed  Reason = "upstream_reply_malformed"
	ReasonUpstreamRefusedSession  Reason = "upstream_refused_session"
	ReasonClientUnknownCA         Reason = "client_unknown_ca"
	ReasonClientBadCertificate    Reason = "client_rejected_certificate"
	ReasonClientCertUnknown       Reason = "client_certificate_unknown"
	ReasonClientCertUnsupported   Reason = "client_certificate_unsupported"
	ReasonClientCertExpired       Reason = "client_certificate_expired"
	ReasonClientCertRevoked       Reason = "client_certificate_revoked"
	ReasonClientParameters        Reason = "client_refused_parameters"
	ReasonClientAlert             Reason = "client_alert"
	ReasonClientClosedAfterCert   Reason = "client_closed_after_certificate"
	ReasonClientClosed            Reason = "client_closed_during_handshake"
	ReasonClientHandshakeTimeout  Reason = "client_handshake_timeout"
	ReasonClientHandshakeFailed   Reason = "client_handshake_failed"
	ReasonSigninPasswordWrong     Reason = "signin_password_wrong"
	ReasonSigninTriesLimited      Reason = "signin_tries_limited"
	ReasonSigninMissing           Reason = "signin_missing"
	ReasonMailboxBusy             Reason = "mailbox_busy"
	ReasonSenderNotAllowed        Reason = "sender_not_allowed"
	ReasonEntraUnreachable        Reason = "entra_unreachable"
	ReasonEntraThrottled          Reason = "entra_throttled"
	ReasonEntraFailed             Reason = "entra_failed"
	ReasonTenantUnknown           Reason = "tenant_unknown"
	ReasonAppSecretExpired        Reason = "application_secret_expired"
	ReasonAppCredentialRefused    Reason = "application_credential_refused"
	ReasonConsentMissing          Reason = "consent_missing"
	ReasonConditionalAccess       Reason = "conditional_access"
	ReasonDelegatedLoginMissing   Reason = "delegated_login_missing"
	ReasonClockSkew               Reason = "clock_skew"
	ReasonHTTPOnMailPort          Reason = "http_on_mail_port"
	ReasonSMTPTLSTooOld           Reason = "smtp_tls_too_old"
	ReasonSMTPAuthFailed          Reason = "smtp_auth_failed"
	ReasonSMTPAuthDisabled        Reason = "smtp_auth_disabled"
	ReasonSMTPAuthBlocked         Reason = "smtp_auth_blocked"
	ReasonSMTPBasicAuthEnded      Reason = "smtp_basic_auth_ended"
	ReasonSMTPNotAuthenticated    Reason = "smtp_not_authenticated"
	ReasonSMTPSendAsDenied        Reason = "smtp_send_as_denied"
	ReasonSMTPTooManyConnections  Reason = "smtp_too_many_connections"
	ReasonSMTPQuotaExceeded       Reason = "smtp_quota_exceeded"
	ReasonSMTPSenderBlocked       Reason = "smtp_sender_blocked"
	ReasonSMTPRelayDenied         Reason = "smtp_relay_denied"
	ReasonSMTPDirectSendRejected  Reason = "smtp_direct_send_rejected"
	ReasonSMTPAddressBlocked      Reason = "smtp_address_blocked"
	ReasonSMTPMessageTooLarge     Reason = "smtp_message_too_large"
	ReasonSMTPAuthMechanism       Reason = "smtp_auth_mechanism_refused"
	ReasonSMTPRecipientUnknown    Reason = "smtp_recipient_unknown"
	ReasonSMTPTenantBlocked       Reason = "smtp_tenant_blocked"
	ReasonSMTPThrottled           Reason = "smtp_throttled"
	ReasonSMTPRejected            Reason = "smtp_rejected"
	ReasonMailboxRefused          Reason = "mailbox_refused"
	ReasonUpstreamNoXOAUTH2       Reason = "upstream_no_xoauth2"
	ReasonIMAPAuthFailed          Reason = "imap_auth_failed"
	ReasonPOP3AuthFailed          Reason = "pop3_auth_failed"
	ReasonUpstreamCutOff          Reason = "upstream_cut_off"
	ReasonClientCutOff            Reason = "client_cut_off"
	ReasonIdleTimeout             Reason = "idle_timeout"
	ReasonRelayBroken             Reason = "relay_broken"
	ReasonCutOff                  Reason = "cut_off_at_shutdown"
	ReasonInternal                Reason = "internal_error"
)

// A Fault is whose fault a reason is: where to look first. The set is closed.
type Fault string

// The faults.
const (
	// FaultNobody: nothing is wrong, as with a port check.
	FaultNobody Fault = "nobody"
	// FaultClient: the client, its settings or its network.
	FaultClient Fault = "client"
	// FaultTLSLift: the settings of tlslift, or the machine that it runs on.
	FaultTLSLift Fault = "tlslift"
	// FaultDestination: the destination, or the network between it and tlslift.
	FaultDestination Fault = "destination"
	// FaultMailbox: the mailbox or the tenant at Microsoft 365.
	FaultMailbox Fault = "mailbox"
)

// A row is everything about one reason.
type row struct {
	reason Reason
	// outcome is what becomes of a connection that has not been passed or
	// lifted yet: refused by a rule of ours, or failed.
	outcome Outcome
	fault   Fault
	// level is that of the log line. From slog.LevelWarn on, somebody should
	// look at it: that is what "failing" means on the status page, in the API,
	// in the metrics and in the alerts.
	level slog.Level
	// silent means that nothing is sent to the client: it has closed, or it must
	// not learn what this port is.
	silent bool
	// unmatched means that the connection is out of tlslift's scope. A
	// redirected one may then be bypassed.
	unmatched bool
	// echo means that the detail is made of what the client has asked for.
	echo bool
	// signIn means that the client could not sign in at tlslift, or tlslift not for it.
	signIn bool
	alert  uint8  // description of the TLS alert; zero means internal_error
	http   int    // status of the HTTP answer; zero means 502
	smtp   string // reply code (RFC 5321) and enhanced one (RFC 3463); empty means 421 4.4.1
	// imap and pop3 are response codes (RFC 5530, RFC 3206); empty means what
	// IMAPCode and POP3Code say.
	imap, pop3 string
	cause      string // one sentence: what happened
	remedy     string // one sentence: what the administrator can do
}

// byReason finds the row of a reason.
var byReason = func() map[Reason]*row {
	m := make(map[Reason]*row, len(reasons))
	for i := range reasons {
		m[reasons[i].reason] = &reasons[i]
	}
	return m
}()

// row returns the row of a reason; one that does not exist has the zero row.
func (r Reason) row() *row {
	if found := byReason[r]; found != nil {
		return found
	}
	return &row{}
}

// Reasons returns the whole closed set, in the order of the stages.
func Reasons() []Reason {
	all := make([]Reason, len(reasons))
	for i := range reasons {
		all[i] = reasons[i].reason
	}
	return all
}

// Cause returns one sentence that says what happened.
func (r Reason) Cause() string { return r.row().cause }

// Remedy returns one sentence that says what the administrator can do.
func (r Reason) Remedy() string { return r.row().remedy }

// Fault returns whose fault it is; empty for no reason.
func (r Reason) Fault() Fault { return r.row().fault }

// Outcome returns what becomes of a connection that ends with this reason before
// it was passed or lifted.
func (r Reason) Outcome() Outcome { return r.row().outcome }

// Level returns the level of the log line.
func (r Reason) Level() slog.Level { return r.row().level }

// FailingFor is how long a client counts as failing after a failure that no success
// has followed: as long as the rules of the alerts look back.
const FailingFor = 24 * time.Hour

// Failing reports whether a client whose last connection ended with this reason
// counts as failing, for FailingFor.
func (r Reason) Failing() bool { return r.Level() >= slog.LevelWarn }

// Silent reports whether nothing is sent to the client.
func (r Reason) Silent() bool { return r.row().silent }

// Unmatched reports whether the connection is out of tlslift's scope, so that a
// redirected one may be bypassed.
func (r Reason) Unmatched() bool { return r.row().unmatched }

// Echoes reports whether the detail is made of what the client has asked for, so that it
// may be repeated to it. Any other detail is for the log: it may have addresses of this
// network or of this machine.
func (r Reason) Echoes() bool { return r.row().echo }

// SignInFailed reports whether the client could not sign in at tlslift, or tlslift not
// at the destination for it.
func (r Reason) SignInFailed() bool { return r.row().signIn }

// Alert returns the description of the TLS alert that the client gets (RFC 8446
// section 6).
func (r Reason) Alert() uint8 { return cmp.Or(r.row().alert, alertInternalError) }

// HTTPStatus returns the status of the HTTP answer.
func (r Reason) HTTPStatus() int { return cmp.Or(r.row().http, http.StatusBadGateway) }

// SMTPStatus returns the reply code and the enhanced status code of the SMTP
// reply, for example "421 4.4.1". Codes that begin with 4 mean that trying again may
// help, in the words of IMAP and POP3 as well.
func (r Reason) SMTPStatus() string { return cmp.Or(r.row().smtp, "421 4.4.1") }

// isTemporary reports whether trying again may help.
func (r Reason) isTemporary() bool { return r.SMTPStatus()[0] == '4' }

// IMAPCode returns the response code of the IMAP answer, for example UNAVAILABLE; empty
// if it has none. By default it is that of SMTPStatus.
func (r Reason) IMAPCode() string {
	if code := r.row().imap; code != "" || !r.isTemporary() {
		return code
	}
	return "UNAVAILABLE"
}

// POP3Code returns the response code of the POP3 answer, for example SYS/TEMP. By default
// it is that of SMTPStatus.
func (r Reason) POP3Code() string {
	switch code := r.row().pop3; {
	case code != "":
		return code
	case r.isTemporary():
		return "SYS/TEMP"
	}
	return "SYS/PERM"
}
