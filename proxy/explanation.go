package proxy

// explanation tells a person what a reason means and what to do about it.
type explanation struct {
	cause  string
	remedy string
}

// Cause is one sentence that says what happened.
func (r Reason) Cause() string { return explanations[r].cause }

// Remedy is one sentence that says what the administrator can do.
func (r Reason) Remedy() string { return explanations[r].remedy }

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
	ReasonNotRedirected: {
		"The client connected to the redirecting listener itself: no rule of this machine has redirected it, so where it wants to go is unknown.",
		"Let a rule of this machine's firewall redirect the client (see tlslift rules); where another machine changes the address, or the client can be told about tlslift, use listeners that know their destination, such as smtp:// and imaps://, or a tls:// one.",
	},
	ReasonRedirectLoop: {
		"tlslift's own connection to the destination was redirected back to it.",
		"Exempt tlslift's own connections from the redirecting rule: by the mark of TLSLIFT_UPSTREAM_MARK, as tlslift rules does, or by the user it runs as.",
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
		"The destination is only at loopback, private, link-local or other special addresses.",
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
	ReasonClosedBeforeTLS: {
		"The client took its leave, or closed the connection, before TLS began.",
		"Nothing to do if it is a port check; otherwise turn on SSL/TLS or STARTTLS in the client's settings, and look at its own log.",
	},
	ReasonPlaintextNotAllowed: {
		"The client wanted to sign in or send mail without TLS.",
		"Turn on SSL/TLS or STARTTLS in the client's settings; for a client that has no such setting, write plaintext: allow for it in TLSLIFT_CLIENTS_FILE, or add ?plaintext=allow to the listener in TLSLIFT_LISTEN.",
	},
	ReasonOpeningMalformed: {
		"What the client sent before TLS breaks the protocol's rules or goes on for too long.",
		"Check that the client is configured for the protocol of this port.",
	},
	ReasonTLSBeforeStartTLS: {
		"The client began TLS where it had to send STARTTLS first.",
		"Set the client to STARTTLS, or point it at a listener with TLS from the first byte (smtps://, imaps://, pop3s://); for a slow client, raise ?wait= of the listener.",
	},
	ReasonCommandAfterStartTLS: {
		"Bytes that are not TLS came behind the client's STARTTLS, which is how commands are smuggled into a TLS session.",
		"Check the network between the client and tlslift; if it is the client itself, update its firmware or use a listener with TLS from the first byte.",
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
		"The client named no host in its TLS ClientHello, and neither the listener nor the address that it was going to tells which one is meant.",
		"Add ?to=host:port to a tls:// listener in TLSLIFT_LISTEN, or ?sni=host to a redirect:// or tproxy:// one; if the address belongs to a host that clients should reach, add its exact name to TLSLIFT_DESTINATIONS.",
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
		"If the client cannot do better, allow what the detail in the log line names: ciphers: [rc4] or [des] for it in TLSLIFT_CLIENTS_FILE, or TLSLIFT_CIPHERS for all.",
	},
	ReasonNoSharedCipherSuite: {
		"The client offers no cipher suite that tlslift can serve.",
		"Turn on AES or 3DES on the client, or update its firmware.",
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
	ReasonUpstreamClosed: {
		"The destination closed the connection during the opening.",
		"Check any firewall or mail filter in between; if it persists, ask the destination from the machine that tlslift runs on.",
	},
	ReasonUpstreamNoStartTLS: {
		"The destination does not offer STARTTLS, or took the offer back; without it nothing is sent.",
		"Check any firewall or mail filter in between (some take STARTTLS out of the answer), and that TLSLIFT_CONNECT_TO and DNS lead to the real destination.",
	},
	ReasonUpstreamReplyInjected: {
		"The destination's side said more before TLS than it was asked, which is how replies are smuggled into a TLS session.",
		"Check what stands between tlslift and the destination: something changes the traffic.",
	},
	ReasonUpstreamReplyMalformed: {
		"What the destination said before TLS breaks the protocol's rules or does not end.",
		"Check that TLSLIFT_CONNECT_TO and DNS lead to the real destination, and the port.",
	},
	ReasonUpstreamRefusedSession: {
		"The destination turned the session down before anything was sent.",
		"Look at the detail in the log line for its own words; often the address that tlslift sends from is blocked, or too many sessions are open.",
	},
	ReasonClientUnknownCA: {
		"The client does not trust tlslift's certificate authority (alert unknown_ca).",
		"Import tlslift's CA certificate on the client (/ca.pem on the admin address), or turn off certificate checking there.",
	},
	ReasonClientBadCertificate: {
		"The client rejected the certificate that tlslift made for the destination (alert bad_certificate).",
		"Check that the host name in the client's settings is the destination's own and that tlslift's CA certificate (/ca.pem on the admin address) is imported on it, or turn off certificate checking there.",
	},
	ReasonClientCertUnknown: {
		"The client could not verify the certificate that tlslift made for the destination (alert certificate_unknown).",
		"Import tlslift's CA certificate (/ca.pem on the admin address) on the client, for Java into the trust store of its runtime, or turn off certificate checking there.",
	},
	ReasonClientCertUnsupported: {
		"The client cannot use this kind of certificate (alert unsupported_certificate).",
		"Write leaf: {hash: sha1, bits: 1024} for the client in TLSLIFT_CLIENTS_FILE, which older devices can read, or update its firmware.",
	},
	ReasonClientCertExpired: {
		"The client says that the certificate has expired (alert certificate_expired).",
		"Set the client's clock and time zone, and check the clock of the machine that tlslift runs on.",
	},
	ReasonClientCertRevoked: {
		"The client says that the certificate was revoked (alert certificate_revoked).",
		"Turn off the check for revoked certificates (OCSP, CRL) on the client: tlslift's CA revokes none and publishes no list.",
	},
	ReasonClientParameters: {
		"The client did not agree to the version, cipher suite or key exchange that tlslift chose from what it had offered.",
		"Set dh_bits or leaf for the client in TLSLIFT_CLIENTS_FILE if it is an old one, or turn on other versions and cipher suites on the client.",
	},
	ReasonClientAlert: {
		"The client ended the TLS handshake with an alert.",
		"Look up the alert's name in the log line and the client's own log.",
	},
	ReasonClientClosedAfterCert: {
		"The client closed the connection when it had seen the certificate, without a word: most likely it checks certificates and does not trust tlslift's.",
		"Import tlslift's CA certificate on the client (/ca.pem on the admin address), or turn off certificate checking there.",
	},
	ReasonClientClosed: {
		"The client closed the connection during the TLS handshake, at a point that does not tell why.",
		"Look at the client's own log and timeout, and import tlslift's CA certificate on it: some devices close silently when they do not trust a certificate.",
	},
	ReasonClientHandshakeTimeout: {
		"The client did not finish the TLS handshake in time.",
		"Check the network path to the client, or raise TLSLIFT_HANDSHAKE_TIMEOUT for very slow devices.",
	},
	ReasonClientHandshakeFailed: {
		"The TLS handshake with the client failed.",
		"Look at the detail in the log line; updating the client's firmware may help.",
	},
	ReasonSMTPTLSTooOld: {
		"Microsoft 365 says that the TLS version is too old (421 4.7.66).",
		"Check that TLSLIFT_CONNECT_TO and DNS lead to the real destination: tlslift itself speaks TLS 1.2 or newer.",
	},
	ReasonSMTPAuthFailed: {
		"Microsoft 365 did not accept the user name and password (535).",
		"Check both in the client's settings; then that SMTP AUTH is allowed for the mailbox and that security defaults do not block it.",
	},
	ReasonSMTPAuthDisabled: {
		"SMTP AUTH is turned off for the mailbox or the tenant (535 5.7.139).",
		"Turn it on: Set-CASMailbox -Identity MAILBOX -SmtpClientAuthenticationDisabled $false.",
	},
	ReasonSMTPAuthBlocked: {
		"A policy of the tenant blocks the sign-in (535 5.7.139).",
		"Exempt the mailbox from the Conditional Access policy, or turn off security defaults in Microsoft Entra.",
	},
	ReasonSMTPBasicAuthEnded: {
		"Microsoft 365 takes no user name and password for SMTP any more (5.7.30).",
		"Let the administrator of the tenant turn it on again while that is possible; otherwise use direct send, a connector or High Volume Email.",
	},
	ReasonSMTPNotAuthenticated: {
		"The client did not sign in before it sent mail (530 5.7.57).",
		"Turn on SMTP authentication in the client's settings, or use a destination that asks for none: ?to=DOMAIN.mail.protection.outlook.com:25.",
	},
	ReasonSMTPSendAsDenied: {
		"The sender address is not one that the mailbox may send as (5.7.60 or 5.2.252).",
		"Set the sender address on the client to the mailbox that it signs in with, or give that mailbox the permission to send as the other.",
	},
	ReasonSMTPTooManyConnections: {
		"More than three connections send mail for the same mailbox at once (4.3.2).",
		"Give the clients mailboxes of their own; the client tries again by itself if it can.",
	},
	ReasonSMTPQuotaExceeded: {
		"The mailbox has sent to as many recipients as it may in a day.",
		"Wait until tomorrow, or spread the clients over more mailboxes.",
	},
	ReasonSMTPSenderBlocked: {
		"Microsoft 365 has blocked the mailbox from sending because of suspected spam (550 5.1.8).",
		"Unblock it in Microsoft Defender under Restricted entities, and change its password.",
	},
	ReasonSMTPRelayDenied: {
		"No connector of the tenant matches the address or certificate that the mail came from (5.7.64 or 4.4.62).",
		"Check the inbound connector: it has to name the public address of tlslift's network, or the name in TLSLIFT_UPSTREAM_CERT_FILE.",
	},
	ReasonSMTPDirectSendRejected: {
		"The tenant rejects direct send (550 5.7.68).",
		"Make an inbound connector for tlslift's public address, or let the client sign in at smtp.office365.com:587.",
	},
	ReasonSMTPAddressBlocked: {
		"The public address that tlslift sends from is on a block list of Microsoft 365.",
		"Ask for its removal at sender.office.com, or send from another address.",
	},
	ReasonSMTPMessageTooLarge: {
		"The mail is larger than the destination takes (552).",
		"Lower the scan resolution or split the document on the client.",
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
