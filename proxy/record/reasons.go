package record

import (
	"log/slog"
	"net/http"
)

// Alert descriptions of RFC 8446 section 6.
const (
	alertUnexpectedMessage     = 10
	alertRecordOverflow        = 22
	alertHandshakeFailure      = 40
	alertAccessDenied          = 49
	alertDecodeError           = 50
	alertProtocolVersion       = 70
	alertInternalError         = 80
	alertInappropriateFallback = 86
	alertUnrecognizedName      = 112
	alertNoApplicationProtocol = 120
)

// reasons is the one table of reasons, in the order of the stages of a
// connection. Everything that is said of a reason is in its row.
var reasons = []row{
	{
		reason: ReasonClientNotAllowed, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn, silent: true,
		cause:  "The client's address is in none of the networks that may connect.",
		remedy: "Add its network to TLSLIFT_CLIENT_NETS.",
	},
	{
		reason: ReasonTooManyConnections, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn,
		http: http.StatusServiceUnavailable, smtp: "421 4.3.2",
		cause:  "tlslift already has as many connections as TLSLIFT_MAX_CONNECTIONS permits.",
		remedy: "Raise TLSLIFT_MAX_CONNECTIONS, or find the client that opens so many.",
	},
	{
		reason: ReasonTooManyFromClient, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn,
		http: http.StatusServiceUnavailable, smtp: "421 4.7.0",
		cause: "This client already has as many connections as TLSLIFT_MAX_CONNECTIONS_PER_CLIENT permits.",
		remedy: "Raise TLSLIFT_MAX_CONNECTIONS_PER_CLIENT, or list the load balancer in front of it in TLSLIFT_TRUSTED_PROXIES so" +
			" that each client has its own address.",
	},
	{
		reason: ReasonShed, outcome: OutcomeFailed, fault: FaultTLSLift, level: slog.LevelWarn, silent: true,
		cause: "tlslift ended the connection to make room for another client: all places were taken, and this client had not " +
			"got past its ClientHello, or had more connections than its share.",
		remedy: "Find the client that opens so many connections (tlslift clients), or raise TLSLIFT_MAX_CONNECTIONS; a client with a " +
			"name in TLSLIFT_CLIENTS_FILE never has to make room.",
	},
	{
		reason: ReasonProxyHeaderInvalid, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn, silent: true,
		cause:  "A load balancer listed in TLSLIFT_TRUSTED_PROXIES did not begin the connection with a valid PROXY protocol header.",
		remedy: "Turn on PROXY protocol (v1 or v2) on the balancer, or remove its address from TLSLIFT_TRUSTED_PROXIES.",
	},
	{
		reason: ReasonProxyHeaderUntrusted, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn, silent: true,
		cause:  "A PROXY protocol header came from an address that is not trusted to send one.",
		remedy: "Add the load balancer's address to TLSLIFT_TRUSTED_PROXIES, or turn off PROXY protocol on it.",
	},
	{
		reason: ReasonNotRedirected, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn,
		alert: alertAccessDenied,
		cause: "The client connected directly to a redirect:// or tproxy:// listener: no firewall rule of this machine " +
			"redirected it, so its destination is unknown.",
		remedy: "Redirect the client with a firewall rule of this machine (see tlslift rules); where another machine changes the " +
			"address, or the client's settings can name tlslift, use a listener with a fixed destination, such as smtp://, " +
			"imaps:// or tls://.",
	},
	{
		reason: ReasonRedirectLoop, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn,
		alert: alertAccessDenied, smtp: "554 5.4.6",
		cause: "tlslift's own connection to the destination was redirected back to it.",
		remedy: "Exempt tlslift's own connections from the redirecting rule: by the mark of TLSLIFT_UPSTREAM_MARK, as tlslift " +
			"rules does, or by the user it runs as.",
	},
	{
		reason: ReasonTLSOnProxyPort, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert:  alertUnexpectedMessage,
		cause:  "The client began TLS on a port that expects HTTP proxy requests.",
		remedy: "Configure the client to use this port as an HTTP proxy, or point it at a tls:// listener.",
	},
	{
		reason: ReasonSOCKSOnProxyPort, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		http:   http.StatusBadRequest,
		cause:  "The client spoke SOCKS to a port that expects HTTP proxy requests.",
		remedy: "Change the type of the proxy in the client's settings from SOCKS to HTTP (also called HTTPS, SSL or CONNECT proxy).",
	},
	{
		reason: ReasonHTTPRequestInvalid, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn, echo: true,
		http:   http.StatusBadRequest,
		cause:  "The client's HTTP request is malformed, too large, too slow or not a proxy request.",
		remedy: "Check that the client is configured to use tlslift as its HTTP proxy.",
	},
	{
		reason: ReasonDestinationInvalid, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn, echo: true,
		alert: alertUnrecognizedName, http: http.StatusBadRequest, unmatched: true,
		cause:  "The destination the client asked for is not a valid host name and port.",
		remedy: "Correct the host name and port in the client's settings.",
	},
	{
		reason: ReasonDestinationIsAddress, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn, echo: true,
		alert: alertUnrecognizedName, http: http.StatusForbidden,
		cause:  "The client asked for an IP address; destinations are allowed by name, so that the certificate can be checked.",
		remedy: "Enter the host name in the client's settings, for example smtp.office365.com.",
	},
	{
		reason: ReasonDestinationNotAllowed, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn, echo: true,
		alert: alertAccessDenied, http: http.StatusForbidden, smtp: "554 5.7.1", unmatched: true,
		cause:  "The destination is not a Microsoft 365 host of the configured instance nor one you added.",
		remedy: "If the client should reach it, add host:port to TLSLIFT_DESTINATIONS.",
	},
	{
		reason: ReasonPortNotAllowed, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn, echo: true,
		alert: alertAccessDenied, http: http.StatusForbidden, smtp: "554 5.7.1", unmatched: true,
		cause:  "The host is allowed, but not on this port.",
		remedy: "Correct the port in the client's settings, or add host:port to TLSLIFT_DESTINATIONS.",
	},
	{
		reason: ReasonAddressForbidden, outcome: OutcomeRefused, fault: FaultDestination, level: slog.LevelWarn,
		alert: alertAccessDenied, http: http.StatusForbidden, smtp: "554 5.7.1",
		cause: "The destination's name has only addresses of tlslift's own machine, or loopback, private, link-local or other " +
			"special-purpose ones.",
		remedy: "Check the name server; if the address is right, map the name to it with TLSLIFT_CONNECT_TO=host:port=address:port.",
	},
	{
		reason: ReasonDestinationIsSelf, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn,
		alert: alertAccessDenied, http: http.StatusForbidden, smtp: "554 5.4.6",
		cause:  "The destination leads back to tlslift itself.",
		remedy: "Let tlslift use a name server that gives the real address, or map the name with TLSLIFT_CONNECT_TO.",
	},
	{
		reason: ReasonClosedBeforeHello, outcome: OutcomeFailed, fault: FaultNobody, level: slog.LevelDebug, silent: true,
		cause:  "The client closed the connection before it sent anything.",
		remedy: "Nothing to do if it is a port check; otherwise look at the client's own timeout and log.",
	},
	{
		reason: ReasonClosedBeforeTLS, outcome: OutcomeFailed, fault: FaultNobody, level: slog.LevelInfo, silent: true,
		cause: "The client said QUIT or LOGOUT, or closed the connection, before TLS began.",
		remedy: "Nothing to do if it is a port check; otherwise turn on SSL/TLS or STARTTLS in the client's settings, and look at" +
			" its own log.",
	},
	{
		reason: ReasonPlaintextNotAllowed, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn, echo: true,
		http: http.StatusForbidden, smtp: "530 5.7.0",
		cause: "The client wanted to sign in, send mail or open an https:// address without TLS.",
		remedy: "Turn on SSL/TLS or STARTTLS in the client's settings, or CONNECT for its HTTP proxy; for a client that has no such " +
			"setting, write plaintext: allow for it in TLSLIFT_CLIENTS_FILE, or add ?plaintext=allow to the listener in TLSLIFT_LISTEN.",
	},
	{
		reason: ReasonMalformedBeforeTLS, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		smtp:   "500 5.5.2",
		cause:  "What the client sent before TLS is not valid in the listener's protocol, or is too long.",
		remedy: "Check that the client is configured for the protocol of this port.",
	},
	{
		reason: ReasonTLSBeforeStartTLS, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert: alertUnexpectedMessage,
		cause: "The client began TLS where it had to send STARTTLS first.",
		remedy: "Set the client to STARTTLS, or point it at a listener with implicit TLS (smtps://, imaps://, pop3s://); for a " +
			"slow client, raise ?wait= of the listener.",
	},
	{
		reason: ReasonCommandAfterStartTLS, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert: alertUnexpectedMessage, smtp: "503 5.5.1",
		cause: "Bytes that are not TLS followed the client's STARTTLS; commands can be injected into a TLS session in this way.",
		remedy: "Check the network between the client and tlslift; if it is the client itself, update its firmware or use a " +
			"listener with implicit TLS.",
	},
	{
		reason: ReasonHelloTimeout, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		alert: alertHandshakeFailure, http: http.StatusRequestTimeout, smtp: "421 4.4.2",
		cause:  "The client did not send its ClientHello, or its next command before TLS, in time.",
		remedy: "Check the network path to the client, or raise TLSLIFT_HANDSHAKE_TIMEOUT.",
	},
	{
		reason: ReasonHelloTruncated, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn, silent: true,
		cause:  "The client closed the connection in the middle of its TLS ClientHello.",
		remedy: "Check the network path to the client and the client's own timeout.",
	},
	{
		reason: ReasonHelloMalformed, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert:  alertDecodeError,
		cause:  "The client's TLS ClientHello breaks the protocol's rules.",
		remedy: "Update the client's firmware; if it works with other servers, report the hello.",
	},
	{
		reason: ReasonHelloTooLarge, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert:  alertRecordOverflow,
		cause:  "The client's TLS ClientHello is larger than any real one.",
		remedy: "Find out what connects from this address; it does not behave like a TLS client.",
	},
	{
		reason: ReasonHTTPOnTLSPort, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		http: http.StatusBadRequest, unmatched: true,
		cause:  "The client sent plain HTTP to a port that expects TLS.",
		remedy: "Use https:// in the client's settings, or point it at a proxy:// listener if it should use tlslift as an HTTP proxy.",
	},
	{
		reason: ReasonNotTLS, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert: alertUnexpectedMessage, smtp: "530 5.7.0", unmatched: true,
		cause:  "What the client sent is not TLS.",
		remedy: "Turn on SSL/TLS in the client's settings, or use the listener for its protocol.",
	},
	{
		reason: ReasonNoServerName, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn,
		alert: alertUnrecognizedName, smtp: "554 5.7.1", unmatched: true,
		cause: "The client sent no server name (SNI), and neither the listener nor the original address says which host it wants.",
		remedy: "Add ?to=host:port to a tls:// listener in TLSLIFT_LISTEN, or ?sni=host to a redirect:// or tproxy:// one; if the" +
			" address belongs to a host that clients should reach, add its exact name to TLSLIFT_DESTINATIONS.",
	},
	{
		reason: ReasonALPNMismatch, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert: alertNoApplicationProtocol, smtp: "554 5.7.1",
		cause: "The client wants to speak another protocol (ALPN) than that of the mail port, as a browser that somebody has redirected there.",
		remedy: "Find out what connects from this address: correct its server and port, or turn off ALPN in a mail client that names a " +
			"wrong protocol.",
	},
	{
		reason: ReasonSSL2Only, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert:  alertProtocolVersion,
		cause:  "The client speaks only SSL 2.0, which is broken (RFC 6176).",
		remedy: "Turn on TLS 1.0 or newer on the client, or replace it.",
	},
	{
		reason: ReasonSSL3Only, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert:  alertHandshakeFailure,
		cause:  "The client speaks only SSL 3.0, which is broken (RFC 7568).",
		remedy: "Turn on TLS 1.0 or newer on the client, or replace it.",
	},
	{
		reason: ReasonNoSharedVersion, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert:  alertProtocolVersion,
		cause:  "The client lists the versions that it speaks, and none of them is TLS 1.0, 1.1, 1.2 or 1.3.",
		remedy: "Turn on TLS 1.2 or 1.3 on the client, or update its firmware.",
	},
	{
		reason: ReasonCipherSuiteDisabled, outcome: OutcomeRefused, fault: FaultTLSLift, level: slog.LevelWarn,
		alert: alertHandshakeFailure,
		cause: "The client offers only cipher suites that are turned off.",
		remedy: "If the client cannot be updated, allow the cipher that the detail in the log line names: ciphers: [rc4] or [des]" +
			" for this client in TLSLIFT_CLIENTS_FILE, or TLSLIFT_CIPHERS for all clients.",
	},
	{
		reason: ReasonNoSharedCipherSuite, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert: alertHandshakeFailure,
		cause: "The client offers no cipher suite that tlslift can serve.",
		remedy: "Turn on AES or 3DES on the client, update its firmware, or, if the log says that the key of its leaf is too short," +
			" remove bits: 1024 of this client from TLSLIFT_CLIENTS_FILE.",
	},
	{
		reason: ReasonInappropriateFallback, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert: alertInappropriateFallback,
		cause: "The client signals that it supports a newer TLS version than it offered (RFC 7507).",
		remedy: "Let the client connect again; if it persists, something in the network breaks its first attempt," +
			" or the client always sends TLS_FALLBACK_SCSV, which an update of it must correct.",
	},
	{
		reason: ReasonNameNotFound, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "The destination's name does not exist in DNS.",
		remedy: "Correct the host name in the client's settings, or check tlslift's name server.",
	},
	{
		reason: ReasonDNSFailed, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		http:   http.StatusGatewayTimeout,
		cause:  "The name server did not answer.",
		remedy: "Check the name servers of the machine that tlslift runs on.",
	},
	{
		reason: ReasonTooManyOpenFiles, outcome: OutcomeFailed, fault: FaultTLSLift, level: slog.LevelWarn,
		http: http.StatusServiceUnavailable, smtp: "421 4.3.2",
		cause: "tlslift, or the whole machine, has as many open files and sockets as the system permits.",
		remedy: "Raise the limit of open files (LimitNOFILE of the systemd unit, --ulimit nofile of the container), or lower " +
			"TLSLIFT_MAX_CONNECTIONS.",
	},
	{
		reason: ReasonUpstreamRefused, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "The destination refused the TCP connection.",
		remedy: "Check that a firewall lets tlslift reach the destination's port.",
	},
	{
		reason: ReasonUpstreamTimeout, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		http:   http.StatusGatewayTimeout,
		cause:  "The destination did not answer in time.",
		remedy: "Check that a firewall lets tlslift reach the destination's port, or set TLSLIFT_UPSTREAM_PROXY.",
	},
	{
		reason: ReasonUpstreamUnreachable, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "The destination could not be reached.",
		remedy: "Check the routes and the firewall of the machine that tlslift runs on.",
	},
	{
		reason: ReasonEgressProxyFailed, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "The egress proxy did not open the connection.",
		remedy: "Check TLSLIFT_UPSTREAM_PROXY and that the proxy allows the destination.",
	},
	{
		reason: ReasonOverloaded, outcome: OutcomeFailed, fault: FaultTLSLift, level: slog.LevelWarn,
		http: http.StatusServiceUnavailable, smtp: "421 4.3.2",
		cause: "More TLS handshakes were under way than the machine can compute: the client waited for the whole handshake timeout, " +
			"or too many waited before it.",
		remedy: "Find the client that opens so many connections (tlslift clients); if they all are needed, give the machine more " +
			"processors, or raise TLSLIFT_HANDSHAKE_TIMEOUT.",
	},
	{
		reason: ReasonUpstreamTLSTooOld, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "The destination itself speaks no TLS 1.2 or newer.",
		remedy: "Check that TLSLIFT_CONNECT_TO and DNS give the real destination's address.",
	},
	{
		reason: ReasonUpstreamCertExpired, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "The destination's certificate has expired or is not valid yet.",
		remedy: "Check the clock of the machine that tlslift runs on; otherwise the destination must renew its certificate.",
	},
	{
		reason: ReasonUpstreamCertUntrusted, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause: "The destination's certificate comes from an authority that is not trusted.",
		remedy: "If a TLS-inspecting firewall is between tlslift and the destination, exempt tlslift or add the firewall's CA " +
			"through TLSLIFT_UPSTREAM_CA_FILE; otherwise update the system's root certificates.",
	},
	{
		reason: ReasonUpstreamCertName, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "The destination's certificate is for another name.",
		remedy: "Check that TLSLIFT_CONNECT_TO and DNS give the real destination's address.",
	},
	{
		reason: ReasonUpstreamCertInvalid, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "The destination's certificate could not be verified.",
		remedy: "Check the destination and any TLS-inspecting firewall between it and tlslift.",
	},
	{
		reason: ReasonUpstreamHandshakeFailed, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause: "The TLS handshake with the destination failed.",
		remedy: "Check any firewall between tlslift and the destination, and whether the destination asks for a client " +
			"certificate (TLSLIFT_UPSTREAM_CERT_FILE).",
	},
	{
		reason: ReasonUpstreamRefusedHello, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		alert:  alertHandshakeFailure,
		cause:  "The destination refused the client's ClientHello, and tlslift cannot serve that client either.",
		remedy: "Update the client's firmware.",
	},
	{
		reason: ReasonUpstreamHTTPFailed, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "The destination did not answer the HTTP request properly.",
		remedy: "Try again; if it persists, check the destination from the machine that tlslift runs on.",
	},
	{
		reason: ReasonUpstreamClosed, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause: "The destination closed the connection before TLS began.",
		remedy: "Check any firewall or mail filter between tlslift and the destination; if it persists, connect to the " +
			"destination from the machine that tlslift runs on.",
	},
	{
		reason: ReasonUpstreamNoStartTLS, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause: "The destination does not offer STARTTLS, or rejects it; without TLS tlslift sends nothing.",
		remedy: "Check any firewall or mail filter between tlslift and the destination (some remove STARTTLS from the reply), and" +
			" that TLSLIFT_CONNECT_TO and DNS give the real destination's address.",
	},
	{
		reason: ReasonUpstreamReplyInjected, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause: "The destination's side sent more before TLS than was asked for; replies can be injected into a TLS session in " +
			"this way.",
		remedy: "Check the network between tlslift and the destination: something changes the traffic.",
	},
	{
		reason: ReasonUpstreamReplyMalformed, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "What the destination sent before TLS is not valid in the protocol, or is too long.",
		remedy: "Check that TLSLIFT_CONNECT_TO and DNS give the real destination's address, and the port.",
	},
	{
		reason: ReasonUpstreamRefusedSession, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause: "The destination rejected the session before anything was sent.",
		remedy: "Read the destination's reply in the detail of the log line; often the address that tlslift sends from is " +
			"blocked, or too many sessions are open.",
	},
	{
		reason: ReasonClientUnknownCA, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client does not trust tlslift's certificate authority (alert unknown_ca).",
		remedy: "Import tlslift's CA certificate on the client (/ca.pem on the admin address or the public one; /ca-sha1.pem for " +
			"OpenSSL 0.9.7, PolarSSL 0.10 and others that know no SHA-256), or turn off certificate checking there.",
	},
	{
		reason: ReasonClientBadCertificate, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client rejected the certificate that tlslift made for the destination (alert bad_certificate).",
		remedy: "Check that the host name in the client's settings is the destination's own and that tlslift's CA certificate " +
			"(/ca.pem on the admin address or the public one; /ca-sha1.pem for OpenSSL 0.9.7, PolarSSL 0.10 and others that know no SHA-256) is " +
			"imported on it, or turn off certificate checking there.",
	},
	{
		reason: ReasonClientCertUnknown, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client could not verify the certificate that tlslift made for the destination (alert certificate_unknown).",
		remedy: "Import tlslift's CA certificate (/ca.pem on the admin address or the public one) on the client, for Java into the " +
			"trust store of its runtime, or turn off certificate checking there.",
	},
	{
		reason: ReasonClientCertUnsupported, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client cannot use this kind of certificate (alert unsupported_certificate).",
		remedy: "Write leaf: {hash: sha1, bits: 1024} for the client in TLSLIFT_CLIENTS_FILE, which older devices can read, " +
			"and import the CA signed with SHA-1 (/ca-sha1.pem on the admin address), or update its firmware.",
	},
	{
		reason: ReasonClientCertExpired, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client regards the certificate as expired (alert certificate_expired).",
		remedy: "Set the client's clock and time zone, and check the clock of the machine that tlslift runs on; for a client whose " +
			"clock cannot be set, write leaf: {not_before: 2000-01-01} in TLSLIFT_CLIENTS_FILE and import /ca-backdated.pem of the " +
			"admin address on it.",
	},
	{
		reason: ReasonClientCertRevoked, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client regards the certificate as revoked (alert certificate_revoked).",
		remedy: "Set TLSLIFT_CRL_URL, so that certificates name the revocation list of tlslift's CA, and see that the client reaches it; " +
			"or turn off the check for revoked certificates (OCSP, CRL) on the client.",
	},
	{
		reason: ReasonClientParameters, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client rejected the version, cipher suite or key exchange that tlslift chose from its offer.",
		remedy: "Set dh_bits or leaf for the client in TLSLIFT_CLIENTS_FILE if it is an old one, or turn on other versions and " +
			"cipher suites on the client.",
	},
	{
		reason: ReasonClientAlert, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause:  "The client ended the TLS handshake with an alert.",
		remedy: "Look up the alert's name in the log line, and look at the client's own log.",
	},
	{
		reason: ReasonClientClosedAfterCert, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client closed the connection after it received the certificate, without an alert: most likely it checks " +
			"certificates and does not trust tlslift's.",
		remedy: "Import tlslift's CA certificate on the client (/ca.pem on the admin address or the public one), or turn off " +
			"certificate checking there.",
	},
	{
		reason: ReasonClientClosed, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client closed the connection during the TLS handshake without an alert.",
		remedy: "Look at the client's own log and timeout, and import tlslift's CA certificate on it: some devices close silently" +
			" when they do not trust a certificate.",
	},
	{
		reason: ReasonClientHandshakeTimeout, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause:  "The client did not finish the TLS handshake in time.",
		remedy: "Check the network path to the client, or raise TLSLIFT_HANDSHAKE_TIMEOUT for very slow devices.",
	},
	{
		reason: ReasonClientHandshakeFailed, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause:  "The TLS handshake with the client failed.",
		remedy: "Look at the detail in the log line; updating the client's firmware may help.",
	},
	{
		reason: ReasonSigninPasswordWrong, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn, signIn: true,
		alert: alertAccessDenied, http: http.StatusForbidden, smtp: "535 5.7.8", imap: "AUTHENTICATIONFAILED", pop3: "AUTH",
		cause: "The login or the password that the client sent is not one of the sign-in file, or this client may not use it.",
		remedy: "Enter the login and its password again on the client, compare with the clients that the login names in" +
			" TLSLIFT_SIGNIN_FILE, or make a new hash with tlslift password.",
	},
	{
		reason: ReasonSigninTriesLimited, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn, signIn: true,
		alert: alertAccessDenied, http: http.StatusTooManyRequests, smtp: "454 4.7.0", imap: "UNAVAILABLE", pop3: "SYS/TEMP",
		cause: "There were too many wrong passwords from this client or for this login, so that none is checked for a moment.",
		remedy: "Find the client that sends the wrong password and correct it there; then wait a minute, and sign-in works again" +
			" by itself.",
	},
	{
		reason: ReasonSigninMissing, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn, signIn: true,
		alert: alertAccessDenied, http: http.StatusForbidden, smtp: "530 5.7.0", imap: "AUTHENTICATIONFAILED", pop3: "AUTH",
		cause: "The client wanted to read mail without signing in, or to sign in by a mechanism that tlslift does not offer.",
		remedy: "Enter the login and its password on the client, and choose PLAIN, LOGIN or a plain password where it asks how to" +
			" sign in; a client that knows only CRAM-MD5 needs a login with secret_file in TLSLIFT_SIGNIN_FILE.",
	},
	{
		reason: ReasonMailboxBusy, outcome: OutcomeRefused, fault: FaultMailbox, level: slog.LevelWarn, signIn: true,
		alert: alertAccessDenied, http: http.StatusServiceUnavailable, smtp: "421 4.4.5", imap: "UNAVAILABLE", pop3: "IN-USE",
		cause: "Other clients used all sessions of the mailbox, or all of its messages of a minute, for as long as this one could wait.",
		remedy: "Give the clients that send most a mailbox of their own, or raise wait for the mailbox in TLSLIFT_SIGNIN_FILE if the" +
			" clients wait longer; Microsoft permits 3 sessions and 30 messages a minute.",
	},
	{
		reason: ReasonSenderNotAllowed, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		alert: alertAccessDenied, http: http.StatusForbidden, smtp: "550 5.7.60",
		cause: "The sender's address that the client gave is not one that its mailbox may send from.",
		remedy: "Enter the mailbox's address as the sender (From) on the client, or add its sender to senders of the mailbox in" +
			" TLSLIFT_SIGNIN_FILE.",
	},
	{
		reason: ReasonEntraUnreachable, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn, signIn: true,
		http: http.StatusServiceUnavailable, smtp: "454 4.7.0",
		cause: "Microsoft Entra, which issues the tokens for the sign-in, cannot be reached or does not work.",
		remedy: "Let tlslift reach login.microsoftonline.com:443 (login.microsoftonline.us or login.partner.microsoftonline.cn in " +
			"the national clouds) through the firewall and TLSLIFT_UPSTREAM_PROXY, and look at the service health of Entra ID.",
	},
	{
		reason: ReasonEntraThrottled, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn, signIn: true,
		http: http.StatusServiceUnavailable, smtp: "454 4.7.0",
		cause: "Microsoft Entra gives no token for now, because it was asked too often (429).",
		remedy: "Wait, since tlslift asks again when Entra allows it; if it persists, find what else requests tokens for this " +
			"application in the sign-in logs of the Entra portal.",
	},
	{
		reason: ReasonEntraFailed, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn, signIn: true,
		smtp:  "454 4.7.0",
		cause: "Microsoft Entra refused a token, or gave an answer that tlslift cannot read.",
		remedy: "Look up the AADSTS code in the detail of the log line at login.microsoftonline.com/error; without a code, check " +
			"what answers between tlslift and Entra, such as a filter or the login page of a network.",
	},
	{
		reason: ReasonTenantUnknown, outcome: OutcomeFailed, fault: FaultTLSLift, level: slog.LevelWarn, signIn: true,
		smtp:  "454 4.7.0",
		cause: "Microsoft Entra does not know the tenant in the sign-in file.",
		remedy: "Correct tenant in TLSLIFT_SIGNIN_FILE to the Tenant ID of the Entra portal's Overview page, and " +
			"TLSLIFT_M365_INSTANCE if the tenant is in a national cloud.",
	},
	{
		reason: ReasonAppSecretExpired, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn, signIn: true,
		smtp:  "454 4.7.0",
		cause: "The secret of the application has expired.",
		remedy: "Make a new one in the Entra portal under App registrations, Certificates & secrets, and write its Value to the " +
			"secret_file of TLSLIFT_SIGNIN_FILE; a restart is not needed.",
	},
	{
		reason: ReasonAppCredentialRefused, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn, signIn: true,
		smtp:  "454 4.7.0",
		cause: "Microsoft Entra does not accept the application's id, secret, certificate, federated token or managed identity.",
		remedy: "Compare application in TLSLIFT_SIGNIN_FILE with the Entra portal under App registrations: the Application (client) " +
			"ID on Overview, and the Value (not the Secret ID) or the certificate's thumbprint under Certificates & secrets.",
	},
	{
		reason: ReasonConsentMissing, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn, signIn: true,
		smtp:  "454 4.7.0",
		cause: "The application has no consent for the permission that this protocol needs.",
		remedy: "Add SMTP.SendAsApp, IMAP.AccessAsApp or POP.AccessAsApp of Office 365 Exchange Online in the Entra portal under App " +
			"registrations, API permissions, and press Grant admin consent; tlslift signin setup lists the steps.",
	},
	{
		reason: ReasonConditionalAccess, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn, signIn: true,
		smtp:  "454 4.7.0",
		cause: "A Conditional Access policy, security defaults or multifactor authentication keeps the sign-in from getting a token.",
		remedy: "Find the policy in the Entra portal under Sign-in logs, Conditional Access, and exclude the application or the " +
			"account from it; for a mailbox with delegated: true run tlslift login again.",
	},
	{
		reason: ReasonDelegatedLoginMissing, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn, signIn: true,
		smtp:   "454 4.7.0",
		cause:  "Nobody has signed in for the mailbox with tlslift login, or that sign-in has expired or was revoked.",
		remedy: "Run tlslift login with the mailbox's address, and sign in as the account in TLSLIFT_SIGNIN_FILE.",
	},
	{
		reason: ReasonClockSkew, outcome: OutcomeFailed, fault: FaultTLSLift, level: slog.LevelWarn, signIn: true,
		smtp:   "454 4.7.0",
		cause:  "The clock of this machine differs from that of Microsoft Entra by more than five minutes.",
		remedy: "Set the clock of the machine that tlslift runs on, and let NTP keep it.",
	},
	{
		reason: ReasonHTTPOnMailPort, outcome: OutcomeRefused, fault: FaultClient, level: slog.LevelWarn,
		http: http.StatusBadRequest, smtp: "554 5.5.1",
		cause:  "Inside TLS the client sent an HTTP request to a mail server, as a browser does that somebody has redirected there.",
		remedy: "Correct the server and the port in the client's settings; if none of them is wrong, find out who redirects it.",
	},
	{
		reason: ReasonSMTPTLSTooOld, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause:  "Microsoft 365 rejects the TLS version as too old (421 4.7.66).",
		remedy: "Check that TLSLIFT_CONNECT_TO and DNS give the real destination's address: tlslift itself speaks TLS 1.2 or newer.",
	},
	{
		reason: ReasonSMTPAuthFailed, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause: "Microsoft 365 did not accept the user name and password (535).",
		remedy: "Check both in the client's settings; then that SMTP AUTH is allowed for the mailbox and that security defaults " +
			"do not block it.",
	},
	{
		reason: ReasonSMTPAuthDisabled, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause:  "SMTP AUTH is turned off for the mailbox or the tenant (535 5.7.139).",
		remedy: "Turn it on: Set-CASMailbox -Identity MAILBOX -SmtpClientAuthenticationDisabled $false.",
	},
	{
		reason: ReasonSMTPAuthBlocked, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause:  "A policy of the tenant blocks the sign-in (535 5.7.139).",
		remedy: "Exempt the mailbox from the Conditional Access policy, or turn off security defaults in Microsoft Entra.",
	},
	{
		reason: ReasonSMTPBasicAuthEnded, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause: "Microsoft 365 accepts no user name and password for SMTP any more (5.7.30).",
		remedy: "Ask the administrator of the tenant to turn SMTP AUTH with passwords on again while that is possible; otherwise " +
			"use direct send, a connector or High Volume Email.",
	},
	{
		reason: ReasonSMTPNotAuthenticated, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause: "The client did not sign in before it sent mail (530 5.7.57).",
		remedy: "Turn on SMTP authentication in the client's settings, or use a destination that asks for none: " +
			"?to=DOMAIN.mail.protection.outlook.com:25.",
	},
	{
		reason: ReasonSMTPSendAsDenied, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause: "The sender address is not one that the mailbox may send as (5.7.60, 5.2.252 or SendAsDenied).",
		remedy: "Set the sender address on the client to the mailbox that it signs in with, or give that mailbox the permission " +
			"to send as the other.",
	},
	{
		reason: ReasonSMTPTooManyConnections, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause:  "More than three connections send mail for the same mailbox at the same time (432).",
		remedy: "Give the clients mailboxes of their own; the client tries again by itself if it can.",
	},
	{
		reason: ReasonSMTPQuotaExceeded, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause:  "The mailbox has sent to as many recipients as it may in a day.",
		remedy: "Wait until tomorrow, or spread the clients over more mailboxes.",
	},
	{
		reason: ReasonSMTPSenderBlocked, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause:  "Microsoft 365 has blocked the mailbox from sending because of suspected spam (550 5.1.8).",
		remedy: "Unblock it in Microsoft Defender under Restricted entities, and change its password.",
	},
	{
		reason: ReasonSMTPRelayDenied, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause: "No connector of the tenant matches the address or certificate that the mail came from (5.7.64, 5.7.54 or 4.4.62).",
		remedy: "Check the inbound connector: it has to name the public address of tlslift's network, or the name in " +
			"TLSLIFT_UPSTREAM_CERT_FILE.",
	},
	{
		reason: ReasonSMTPDirectSendRejected, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause:  "The tenant rejects direct send (550 5.7.68).",
		remedy: "Make an inbound connector for tlslift's public address, or let the client sign in at smtp.office365.com:587.",
	},
	{
		reason: ReasonSMTPAddressBlocked, outcome: OutcomeFailed, fault: FaultTLSLift, level: slog.LevelWarn,
		cause:  "The public address that tlslift sends from is blocked by Microsoft 365 (5.7.606 to 5.7.649, 5.7.708).",
		remedy: "Ask for its removal at sender.office.com, or send from another address.",
	},
	{
		reason: ReasonSMTPMessageTooLarge, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause:  "The mail is larger than the destination accepts (552).",
		remedy: "Lower the scan resolution or split the document on the client.",
	},
	{
		reason: ReasonSMTPAuthMechanism, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The destination does not know the client's way to sign in (504 5.7.4).",
		remedy: "Set the client to AUTH LOGIN, the one way with a password that Microsoft 365 knows, or let it send without " +
			"sign-in through a connector.",
	},
	{
		reason: ReasonSMTPRecipientUnknown, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The destination knows no such recipient (550 5.4.1, 5.1.1 or 5.1.10).",
		remedy: "Correct the recipient's address on the client; if it is right, check that the destination is that of the " +
			"recipient's own domain.",
	},
	{
		reason: ReasonSMTPTenantBlocked, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause: "Microsoft 365 has blocked the tenant from sending, or the sender's domain is not registered in it (5.7.705 or 5.7.750).",
		remedy: "Check that the sender's domain is an accepted domain of the tenant, find what sends so much, and ask Microsoft to " +
			"unblock the tenant.",
	},
	{
		reason: ReasonSMTPThrottled, outcome: OutcomeFailed, fault: FaultTLSLift, level: slog.LevelWarn,
		cause: "Microsoft 365 takes no more mail from tlslift's public address for now (451 4.7.500).",
		remedy: "Wait, since the client tries again by itself if it can; if it persists, send through an inbound connector, or " +
			"from another address.",
	},
	{
		reason: ReasonSMTPRejected, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause: "The destination rejected the sign-in, the sender, a recipient or the mail, and did not accept it later in the same " +
			"connection; other mails and other recipients may have got through.",
		remedy: "Look up the destination's reply, which is in the detail of the log line; the client's own log may have its whole " +
			"text.",
	},
	{
		reason: ReasonMailboxRefused, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn, signIn: true,
		smtp: "535 5.7.3", imap: "AUTHENTICATIONFAILED", pop3: "AUTH",
		cause: "The destination refused to let tlslift sign in to the mailbox, though its token is good.",
		remedy: "Run tlslift check mailbox ADDRESS; most often the application is not registered in Exchange Online with the" +
			" object id of its enterprise application (New-ServicePrincipal), has no permission for the mailbox" +
			" (Add-MailboxPermission), or SMTP AUTH is off for it (Set-CASMailbox -SmtpClientAuthenticationDisabled $false).",
	},
	{
		reason: ReasonUpstreamNoXOAUTH2, outcome: OutcomeFailed, fault: FaultTLSLift, level: slog.LevelWarn,
		smtp:  "454 4.7.0",
		cause: "The destination does not offer the sign-in with OAuth (XOAUTH2).",
		remedy: "Correct to of the listener: sign-in works at the mail servers of Microsoft 365, such as smtp.office365.com:587, and" +
			" not at port 25; then check that TLSLIFT_CONNECT_TO and DNS give the real destination's address.",
	},
	{
		reason: ReasonIMAPAuthFailed, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause: "The destination refused the sign-in with IMAP (LOGIN or AUTHENTICATE).",
		remedy: "Microsoft 365 takes no passwords for IMAP any more since 2023: let the client sign in with OAuth 2.0 (XOAUTH2), " +
			"or read the mailbox with a program that can; at another destination, check the user name and the password.",
	},
	{
		reason: ReasonPOP3AuthFailed, outcome: OutcomeFailed, fault: FaultMailbox, level: slog.LevelWarn,
		cause: "The destination refused the sign-in with POP3 (PASS, APOP or AUTH).",
		remedy: "Microsoft 365 takes no passwords for POP3 any more since 2023: let the client sign in with OAuth 2.0 (XOAUTH2), " +
			"or read the mailbox with a program that can; at another destination, check the user name and the password.",
	},
	{
		reason: ReasonIdleTimeout, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		http: http.StatusGatewayTimeout, smtp: "421 4.4.2",
		cause: "No byte arrived on either side for the idle timeout, and more was to come: in the middle of a mail, a command or an " +
			"HTTP exchange, or where a side did not read.",
		remedy: "Check the network path to the client, and the client's own log; raise TLSLIFT_IDLE_TIMEOUT, or " +
			"TLSLIFT_IMAP_IDLE_TIMEOUT for IMAP, if the client or the destination takes longer than that.",
	},
	{
		reason: ReasonUpstreamCutOff, outcome: OutcomeFailed, fault: FaultDestination, level: slog.LevelWarn,
		cause: "The destination broke off the connection before its proper end, or acknowledged nothing any more, for example in the middle " +
			"of a mail; what was on its way may be lost.",
		remedy: "Look at the health page of the service, and check any firewall or filter between tlslift and the destination: " +
			"it may end connections that last long.",
	},
	{
		reason: ReasonClientCutOff, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause: "The client broke off the connection before its proper end, or acknowledged nothing any more, for example in the middle of a " +
			"mail; what was on its way may be lost.",
		remedy: "Check the network path to the client, and the client's own log and timeout; a large scan can exhaust its memory.",
	},
	{
		reason: ReasonRelayBroken, outcome: OutcomeFailed, fault: FaultClient, level: slog.LevelWarn,
		cause:  "The connection broke while bytes were relayed.",
		remedy: "Look at the detail in the log line; if one client has it often, check the network path to it.",
	},
	{
		reason: ReasonCutOff, outcome: OutcomeFailed, fault: FaultNobody, level: slog.LevelInfo,
		smtp:   "421 4.3.2",
		cause:  "tlslift was stopped and the connection did not end within the drain timeout.",
		remedy: "Raise TLSLIFT_DRAIN_TIMEOUT if long transfers must survive a restart.",
	},
	{
		reason: ReasonInternal, outcome: OutcomeFailed, fault: FaultTLSLift, level: slog.LevelError,
		http: http.StatusInternalServerError, smtp: "421 4.3.0",
		cause:  "tlslift itself failed.",
		remedy: "Report the detail in the log line as a bug.",
	},
}
