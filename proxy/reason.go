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
	ReasonTLSOnProxyPort          Reason = "tls_on_proxy_port"
	ReasonHTTPRequestInvalid      Reason = "http_request_invalid"
	ReasonDestinationInvalid      Reason = "destination_invalid"
	ReasonDestinationIsAddress    Reason = "destination_is_address"
	ReasonDestinationNotAllowed   Reason = "destination_not_allowed"
	ReasonPortNotAllowed          Reason = "destination_port_not_allowed"
	ReasonAddressForbidden        Reason = "destination_address_forbidden"
	ReasonDestinationIsSelf       Reason = "destination_is_self"
	ReasonClosedBeforeHello       Reason = "closed_before_hello"
	ReasonHelloTimeout            Reason = "hello_timeout"
	ReasonHelloTruncated          Reason = "hello_truncated"
	ReasonHelloMalformed          Reason = "hello_malformed"
	ReasonHelloTooLarge           Reason = "hello_too_large"
	ReasonHTTPOnTLSPort           Reason = "http_on_tls_port"
	ReasonNotTLS                  Reason = "not_tls"
	ReasonNoServerName            Reason = "no_server_name"
	ReasonSSLv2Hello              Reason = "sslv2_hello"
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
	ReasonClientUnknownCA         Reason = "client_unknown_ca"
	ReasonClientBadCertificate    Reason = "client_rejected_certificate"
	ReasonClientAlert             Reason = "client_alert"
	ReasonClientClosed            Reason = "client_closed_during_handshake"
	ReasonClientHandshakeTimeout  Reason = "client_handshake_timeout"
	ReasonClientHandshakeFailed   Reason = "client_handshake_failed"
	ReasonIdleTimeout             Reason = "idle_timeout"
	ReasonRelayBroken             Reason = "relay_broken"
	ReasonCutOff                  Reason = "cut_off_at_shutdown"
	ReasonInternal                Reason = "internal_error"
)

// explanation tells a person what a reason means and what to do about it.
type explanation struct {
	cause  string
	remedy string
}

// Cause is one sentence that says what happened.
func (r Reason) Cause() string { return explanations[r].cause }

// Remedy is one sentence that says what the administrator can do.
func (r Reason) Remedy() string { return explanations[r].remedy }

// Reasons returns the whole closed set, in the order of the stages.
func Reasons() []Reason {
	return append([]Reason(nil), allReasons...)
}

// allReasons has every constant above; a test reads this file to prove it.
var allReasons = []Reason{
	ReasonClientNotAllowed, ReasonTooManyConnections, ReasonTooManyFromClient,
	ReasonProxyHeaderInvalid, ReasonProxyHeaderUntrusted, ReasonTLSOnProxyPort,
	ReasonHTTPRequestInvalid, ReasonDestinationInvalid, ReasonDestinationIsAddress,
	ReasonDestinationNotAllowed, ReasonPortNotAllowed, ReasonAddressForbidden,
	ReasonDestinationIsSelf, ReasonClosedBeforeHello, ReasonHelloTimeout,
	ReasonHelloTruncated, ReasonHelloMalformed, ReasonHelloTooLarge,
	ReasonHTTPOnTLSPort, ReasonNotTLS, ReasonNoServerName, ReasonSSLv2Hello,
	ReasonSSL2Only, ReasonSSL3Only, ReasonCipherSuiteDisabled,
	ReasonNoSharedCipherSuite, ReasonInappropriateFallback, ReasonNameNotFound,
	ReasonDNSFailed, ReasonUpstreamRefused, ReasonUpstreamTimeout,
	ReasonUpstreamUnreachable, ReasonEgressProxyFailed, ReasonUpstreamTLSTooOld,
	ReasonUpstreamCertExpired, ReasonUpstreamCertUntrusted, ReasonUpstreamCertName,
	ReasonUpstreamCertInvalid, ReasonUpstreamHandshakeFailed,
	ReasonUpstreamRefusedHello, ReasonUpstreamHTTPFailed, ReasonClientUnknownCA,
	ReasonClientBadCertificate, ReasonClientAlert, ReasonClientClosed,
	ReasonClientHandshakeTimeout, ReasonClientHandshakeFailed, ReasonIdleTimeout,
	ReasonRelayBroken, ReasonCutOff, ReasonInternal,
}

var explanations = map[Reason]explanation{
	ReasonClientNotAllowed: {
		"The client's address is in none of the networks that may connect.",
		"Add its network to TLSLIFT_CLIENT_NETS.",
	},
	ReasonTooManyConnections: {
		"tlslift already carries as many connections as it may.",
		"Raise TLSLIFT_MAX_CONNECTIONS, or find the client that opens so many.",
	},
	ReasonTooManyFromClient: {
		"This client already has as many connections as one client may.",
		"Raise TLSLIFT_MAX_CONNECTIONS_PER_CLIENT, or list the load balancer in front of it in TLSLIFT_TRUSTED_PROXIES so that clients are told apart.",
	},
	ReasonProxyHeaderInvalid: {
		"A load balancer listed in TLSLIFT_TRUSTED_PROXIES did not begin the connection with a valid PROXY protocol header.",
		"Turn on PROXY protocol (v1 or v2) on the balancer, or remove its address from TLSLIFT_TRUSTED_PROXIES.",
	},
	ReasonProxyHeaderUntrusted: {
		"A PROXY protocol header came from an address that is not trusted to send one.",
		"Add the load balancer's address to TLSLIFT_TRUSTED_PROXIES, or turn off PROXY protocol on it.",
	},
	ReasonTLSOnProxyPort: {
		"The client began TLS on a port that expects HTTP proxy requests.",
		"Configure the client to use this port as an HTTP proxy, or point it at a tls:// listener.",
	},
	ReasonHTTPRequestInvalid: {
		"The client's HTTP request is malformed, too large, too slow or not a proxy request.",
		"Check that the client is configured to use tlslift as its HTTP proxy.",
	},
	ReasonDestinationInvalid: {
		"The destination the client asked for is not a valid host name and port.",
		"Correct the host name and port in the client's settings.",
	},
	ReasonDestinationIsAddress: {
		"The client asked for an IP address; destinations are allowed by name, so that the certificate can be checked.",
		"Enter the host name in the client's settings, for example smtp.office365.com.",
	},
	ReasonDestinationNotAllowed: {
		"The destination is not a Microsoft 365 host of the configured instance nor one you added.",
		"If the client should reach it, add host:port to TLSLIFT_DESTINATIONS.",
	},
	ReasonPortNotAllowed: {
		"The host is allowed, but not on this port.",
		"Correct the port in the client's settings, or add host:port to TLSLIFT_DESTINATIONS.",
	},
	ReasonAddressForbidden: {
		"The destination's name resolves only to loopback, private, link-local or other special addresses.",
		"Check the name server; if the address is right, map it with TLSLIFT_CONNECT_TO=host:port=address:port.",
	},
	ReasonDestinationIsSelf: {
		"The destination leads back to tlslift itself.",
		"Let tlslift use a name server that gives the real address, or map the name with TLSLIFT_CONNECT_TO.",
	},
	ReasonClosedBeforeHello: {
		"The client closed the connection before it sent anything.",
		"Nothing to do if it is a port check; otherwise look at the client's own timeout and log.",
	},
	ReasonHelloTimeout: {
		"The client did not complete its opening in time.",
		"Check the network path to the client, or raise TLSLIFT_HANDSHAKE_TIMEOUT.",
	},
	ReasonHelloTruncated: {
		"The client closed the connection in the middle of its TLS ClientHello.",
		"Check the network path to the client and the client's own timeout.",
	},
	ReasonHelloMalformed: {
		"The client's TLS ClientHello breaks the protocol's rules.",
		"Update the client's firmware; if it works elsewhere, report the hello.",
	},
	ReasonHelloTooLarge: {
		"The client's TLS ClientHello is larger than any real one.",
		"Check what is connecting; it does not look like a TLS client.",
	},
	ReasonHTTPOnTLSPort: {
		"The client sent plain HTTP to a port that expects TLS.",
		"Use https:// in the client's settings, or point it at a proxy:// listener if it should use tlslift as an HTTP proxy.",
	},
	ReasonNotTLS: {
		"What the client sent is not TLS.",
		"Turn on SSL/TLS in the client's settings, or use the listener for its protocol.",
	},
	ReasonNoServerName: {
		"The client named no host in its TLS ClientHello and the listener has no fixed destination.",
		"Add ?to=host:port to the listener in TLSLIFT_LISTEN; old clients cannot name the host.",
	},
	ReasonSSLv2Hello: {
		"The client opens with an SSLv2-format ClientHello, which this version recognises but cannot serve yet.",
		"Turn off SSL 2.0 or 'SSLv2 compatible hello' on the client if it has such a setting.",
	},
	ReasonSSL2Only: {
		"The client speaks only SSL 2.0, which is broken beyond use.",
		"Turn on TLS 1.0 or newer on the client, or replace it.",
	},
	ReasonSSL3Only: {
		"The client speaks only SSL 3.0, which is broken (RFC 7568).",
		"Turn on TLS 1.0 or newer on the client, or replace it.",
	},
	ReasonCipherSuiteDisabled: {
		"The client offers only cipher suites that are switched off.",
		"If the client cannot do better, allow its suites: TLSLIFT_CIPHERS=rc4.",
	},
	ReasonNoSharedCipherSuite: {
		"The client offers no cipher suite that tlslift can serve.",
		"Turn on AES or 3DES with RSA key exchange on the client, or update its firmware.",
	},
	ReasonInappropriateFallback: {
		"The client says that it could speak a newer TLS version than it offered (RFC 7507).",
		"Let the client connect again; if it persists, something on the path disturbs its first attempt.",
	},
	ReasonNameNotFound: {
		"The destination's name does not exist in DNS.",
		"Correct the host name in the client's settings, or check tlslift's name server.",
	},
	ReasonDNSFailed: {
		"The name server did not answer.",
		"Check the name servers of the machine that tlslift runs on.",
	},
	ReasonUpstreamRefused: {
		"The destination refused the TCP connection.",
		"Check that a firewall lets tlslift reach the destination's port.",
	},
	ReasonUpstreamTimeout: {
		"The destination did not answer in time.",
		"Check that a firewall lets tlslift reach the destination's port, or set TLSLIFT_UPSTREAM_PROXY.",
	},
	ReasonUpstreamUnreachable: {
		"The destination could not be reached.",
		"Check the routes and the firewall of the machine that tlslift runs on.",
	},
	ReasonEgressProxyFailed: {
		"The egress proxy did not open the connection.",
		"Check TLSLIFT_UPSTREAM_PROXY and that the proxy allows the destination.",
	},
	ReasonUpstreamTLSTooOld: {
		"The destination itself speaks no TLS 1.2 or newer.",
		"Check that TLSLIFT_CONNECT_TO and DNS lead to the real destination.",
	},
	ReasonUpstreamCertExpired: {
		"The destination's certificate has expired or is not valid yet.",
		"Check the clock of the machine that tlslift runs on; otherwise the destination must renew its certificate.",
	},
	ReasonUpstreamCertUntrusted: {
		"The destination's certificate comes from an authority that is not trusted.",
		"If a TLS-inspecting firewall stands in between, exempt tlslift or add the firewall's CA through TLSLIFT_UPSTREAM_CA_FILE; otherwise update the system's root certificates.",
	},
	ReasonUpstreamCertName: {
		"The destination's certificate is for another name.",
		"Check that TLSLIFT_CONNECT_TO and DNS lead to the real destination.",
	},
	ReasonUpstreamCertInvalid: {
		"The destination's certificate could not be verified.",
		"Check the destination and any TLS-inspecting firewall in between.",
	},
	ReasonUpstreamHandshakeFailed: {
		"The TLS handshake with the destination failed.",
		"Check any firewall in between and whether the destination asks for a client certificate (TLSLIFT_UPSTREAM_CERT_FILE).",
	},
	ReasonUpstreamRefusedHello: {
		"The destination refused the client's ClientHello, and tlslift cannot serve that client either.",
		"Update the client's firmware.",
	},
	ReasonUpstreamHTTPFailed: {
		"The destination did not answer the HTTP request properly.",
		"Try again; if it persists, check the destination from the machine that tlslift runs on.",
	},
	ReasonClientUnknownCA: {
		"The client does not trust tlslift's certificate authority (alert unknown_ca).",
		"Import tlslift's CA certificate on the client, or turn off certificate checking there.",
	},
	ReasonClientBadCertificate: {
		"The client rejected the certificate that tlslift made for the destination.",
		"Check the client's clock and that tlslift's CA certificate is imported on it, or turn off certificate checking there.",
	},
	ReasonClientAlert: {
		"The client ended the TLS handshake with an alert.",
		"Look up the alert's name in the log line and the client's own log.",
	},
	ReasonClientClosed: {
		"The client closed the connection during the TLS handshake.",
		"Import tlslift's CA certificate on the client: many devices close silently when they do not trust a certificate.",
	},
	ReasonClientHandshakeTimeout: {
		"The client did not finish the TLS handshake in time.",
		"Check the network path to the client, or raise TLSLIFT_HANDSHAKE_TIMEOUT for very slow devices.",
	},
	ReasonClientHandshakeFailed: {
		"The TLS handshake with the client failed.",
		"Look at the detail in the log line; updating the client's firmware may help.",
	},
	ReasonIdleTimeout: {
		"No bytes moved in either direction for the idle timeout.",
		"Raise TLSLIFT_IDLE_TIMEOUT if the client keeps quiet connections open on purpose.",
	},
	ReasonRelayBroken: {
		"The connection broke while bytes were relayed.",
		"Look at the detail in the log line; if one client has it often, check the network path to it.",
	},
	ReasonCutOff: {
		"tlslift was stopped and the connection did not end within the drain timeout.",
		"Raise TLSLIFT_DRAIN_TIMEOUT if long transfers must survive a restart.",
	},
	ReasonInternal: {
		"tlslift itself failed.",
		"Report the detail in the log line as a bug.",
	},
}
