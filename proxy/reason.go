package proxy

// A Reason names why a connection was refused or failed. The set is closed:
// it labels metrics and log lines, so adding, renaming or removing one is a
// change of a public interface and needs a CHANGELOG line. The zero value
// means that nothing went wrong.
type Reason string

// The reasons, in the order of the stages of a connection.
const (
	ReasonClientNotAllowed        Reason = "client_not_allowed"
	ReasonTooManyConnections      Reason = "too_many_connections"
	ReasonTooManyFromClient       Reason = "too_many_connections_from_client"
	ReasonProxyHeaderInvalid      Reason = "proxy_header_invalid"
	ReasonProxyHeaderUntrusted    Reason = "proxy_header_untrusted"
	ReasonNotRedirected           Reason = "not_redirected"
	ReasonRedirectLoop            Reason = "redirect_loop"
	ReasonTLSOnProxyPort          Reason = "tls_on_proxy_port"
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
	ReasonOpeningMalformed        Reason = "opening_malformed"
	ReasonTLSBeforeStartTLS       Reason = "tls_before_starttls"
	ReasonCommandAfterStartTLS    Reason = "command_after_starttls"
	ReasonHelloTimeout            Reason = "hello_timeout"
	ReasonHelloTruncated          Reason = "hello_truncated"
	ReasonHelloMalformed          Reason = "hello_malformed"
	ReasonHelloTooLarge           Reason = "hello_too_large"
	ReasonHTTPOnTLSPort           Reason = "http_on_tls_port"
	ReasonNotTLS                  Reason = "not_tls"
	ReasonNoServerName            Reason = "no_server_name"
	ReasonSSL2Only                Reason = "ssl2_only"
	ReasonSSL3Only                Reason = "ssl3_only"
	ReasonCipherSuiteDisabled     Reason = "cipher_suite_disabled"
	ReasonNoSharedCipherSuite     Reason = "no_shared_cipher_suite"
	ReasonInappropriateFallback   Reason = "inappropriate_fallback"
	ReasonNameNotFound            Reason = "upstream_name_not_found"
	ReasonDNSFailed               Reason = "upstream_dns_failed"
	ReasonUpstreamRefused         Reason = "upstream_connection_refused"
	ReasonUpstreamTimeout         Reason = "upstream_timeout"
	ReasonUpstreamUnreachable     Reason = "upstream_unreachable"
	ReasonEgressProxyFailed       Reason = "upstream_proxy_failed"
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
	ReasonIdleTimeout             Reason = "idle_timeout"
	ReasonRelayBroken             Reason = "relay_broken"
	ReasonCutOff                  Reason = "cut_off_at_shutdown"
	ReasonInternal                Reason = "internal_error"
)

// Reasons returns the whole closed set, in the order of the stages.
func Reasons() []Reason {
	return append([]Reason(nil), allReasons...)
}

// allReasons has every constant above; a test reads this file to prove it.
var allReasons = []Reason{
	ReasonClientNotAllowed, ReasonTooManyConnections, ReasonTooManyFromClient,
	ReasonProxyHeaderInvalid, ReasonProxyHeaderUntrusted, ReasonNotRedirected, ReasonRedirectLoop, ReasonTLSOnProxyPort,
	ReasonHTTPRequestInvalid, ReasonDestinationInvalid, ReasonDestinationIsAddress,
	ReasonDestinationNotAllowed, ReasonPortNotAllowed, ReasonAddressForbidden,
	ReasonDestinationIsSelf, ReasonClosedBeforeHello,
	ReasonClosedBeforeTLS, ReasonPlaintextNotAllowed, ReasonOpeningMalformed, ReasonTLSBeforeStartTLS, ReasonCommandAfterStartTLS, ReasonHelloTimeout,
	ReasonHelloTruncated, ReasonHelloMalformed, ReasonHelloTooLarge,
	ReasonHTTPOnTLSPort, ReasonNotTLS, ReasonNoServerName,
	ReasonSSL2Only, ReasonSSL3Only, ReasonCipherSuiteDisabled,
	ReasonNoSharedCipherSuite, ReasonInappropriateFallback, ReasonNameNotFound,
	ReasonDNSFailed, ReasonUpstreamRefused, ReasonUpstreamTimeout,
	ReasonUpstreamUnreachable, ReasonEgressProxyFailed, ReasonUpstreamTLSTooOld,
	ReasonUpstreamCertExpired, ReasonUpstreamCertUntrusted, ReasonUpstreamCertName,
	ReasonUpstreamCertInvalid, ReasonUpstreamHandshakeFailed,
	ReasonUpstreamRefusedHello, ReasonUpstreamHTTPFailed,
	ReasonUpstreamClosed, ReasonUpstreamNoStartTLS, ReasonUpstreamReplyInjected, ReasonUpstreamReplyMalformed, ReasonUpstreamRefusedSession, ReasonClientUnknownCA,
	ReasonClientBadCertificate, ReasonClientCertUnknown, ReasonClientCertUnsupported,
	ReasonClientCertExpired, ReasonClientCertRevoked, ReasonClientParameters,
	ReasonClientAlert, ReasonClientClosedAfterCert, ReasonClientClosed,
	ReasonClientHandshakeTimeout, ReasonClientHandshakeFailed,
	ReasonSMTPTLSTooOld, ReasonSMTPAuthFailed, ReasonSMTPAuthDisabled, ReasonSMTPAuthBlocked, ReasonSMTPBasicAuthEnded, ReasonSMTPNotAuthenticated, ReasonSMTPSendAsDenied, ReasonSMTPTooManyConnections, ReasonSMTPQuotaExceeded, ReasonSMTPSenderBlocked, ReasonSMTPRelayDenied, ReasonSMTPDirectSendRejected, ReasonSMTPAddressBlocked, ReasonSMTPMessageTooLarge, ReasonIdleTimeout,
	ReasonRelayBroken, ReasonCutOff, ReasonInternal,
}
