package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// A metric is the index of one of our metrics in the table of definitions.
type metric int

const (
	connectionsTotal metric = iota
	connectionsActive
	connectionsLimit
	acceptFailures
	connectionDuration
	handshakeDuration
	handshakesWaiting
	handshakeWait
	clientConnectionsTotal
	clientHandshakesTotal
	clientFailuresTotal
	clientBytesTotal
	clientSMTPReplies
	clientLogins
	clientAcceptedTotal
	clientLastAccepted
	clientLastSeen
	clientLastLifted
	clientLastLegacy
	clientLastCapable
	clientLastSuccess
	clientLastFailure
	clientInformation
	clientsTracked
	clientsOverflowed
	upstreamHandshakesTotal
	upstreamFailuresTotal
	probeSuccess
	probeFailing
	probeDuration
	tokenRequests
	tokenRequestDuration
	tokenExpiry
	tokensFailing
	credentialExpiry
	mailboxSessions
	mailboxSessionsLimit
	mailboxWaiting
	mailboxOldestWait
	certificatesIssued
	caNotAfter
	caFilesUsable
	endpointsChecked
	endpointsRefreshes
	reloadSuccessful
	reloadSuccessTime
	webConfigFailures
	logLinesDropped
	buildInfo
)

// A definition is everything about one metric. Labels are in the order in which
// their values are given.
type definition struct {
	name   string
	kind   string
	labels []string
	help   string
}

const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// definitions is the one place that names a metric. The names, the labels and
// their meaning are a public interface: changing one needs a CHANGELOG line.
var definitions = [...]definition{
	connectionsTotal: {"connections_total", counter, []string{"listener", "outcome"},
		"Connections that have ended, by outcome: passed, lifted, refused or failed."},
	connectionsActive: {"connections_active", gauge, []string{"listener"},
		"Connections that are open now."},
	connectionsLimit: {"connections_limit", gauge, nil,
		"How many connections may be open at once: TLSLIFT_MAX_CONNECTIONS, or fewer if the system's limit of open files permits no more."},
	acceptFailures: {"accept_failures_total", counter, nil,
		"Times in which connections could not be accepted at once, because of too many open files or another error of the system; " +
			"each time is counted once, however long it was, and ends when there is no error for a minute."},
	connectionDuration: {"connection_duration_seconds", histogram, nil,
		"How long connections lasted, from accept to close."},
	handshakeDuration: {"handshake_duration_seconds", histogram, []string{"side"},
		"How long completed TLS handshakes took; side is client or upstream."},
	handshakesWaiting: {"handshakes_waiting", gauge, nil,
		"TLS handshakes that wait for their turn to compute; where that is never zero, the machine needs more processors."},
	handshakeWait: {"handshake_wait_seconds", histogram, nil,
		"How long the handshakes of a lifted connection waited for their turn to compute; those that waited in vain have the reason " +
			"overloaded in client_failures_total."},

	clientConnectionsTotal: {"client_connections_total", counter,
		[]string{"client", "protocol", "tls_version", "outcome"},
		"Connections of a client that have ended; tls_version is the newest that the client offered, none without a ClientHello, " +
			"unknown if there is no such version. After the first " + strconv.Itoa(maxTuples) + " combinations of a client, protocol " +
			"and tls_version are other."},
	clientHandshakesTotal: {"client_handshakes_total", counter,
		[]string{"client", "tls_version", "cipher_suite", "resumed"},
		"TLS handshakes completed with a client whose connection was lifted."},
	clientFailuresTotal: {"client_failures_total", counter, []string{"client", "reason", "failing"},
		"Connections of a client that were refused, failed or broke off, or in which Microsoft 365 rejected the mail, by reason; " +
			"failing is false for reasons that need no action, such as a port check. All reasons after the first " +
			strconv.Itoa(maxTuples) + " of a client are those of client other."},
	clientBytesTotal: {"client_bytes_total", counter, []string{"client", "direction"},
		"Bytes relayed for a client; direction is from_client or to_client."},
	clientSMTPReplies: {"client_smtp_replies_total", counter, []string{"client", "code", "enhanced_code"},
		"Replies of the destination in lifted SMTP sessions of a client; enhanced_code is none where there was none, and all replies after " +
			"the first " + strconv.Itoa(maxReplyCodes) + " different ones share other."},
	clientLogins: {"client_logins_total", counter, []string{"client", "result"},
		"Sessions in which a client signed in at tlslift or could not, by result: ok, or the reason why the session ended without " +
			"a sign-in."},
	clientAcceptedTotal: {"client_accepted_messages_total", counter, []string{"client"},
		"Mails of the client that the destination has accepted in lifted SMTP sessions; 0 for a client that connected and sent nothing."},
	clientLastAccepted: {"client_last_accepted_timestamp_seconds", gauge, []string{"client"},
		"When a lifted session of the client last ended in which a mail was accepted, as a Unix time; absent if there was none."},
	clientLastSeen: {"client_last_seen_timestamp_seconds", gauge, []string{"client"},
		"When a connection of the client last ended, as a Unix time."},
	clientLastLifted: {"client_last_lifted_timestamp_seconds", gauge, []string{"client"},
		"When a lifted connection of the client last ended, as a Unix time; a client that was never lifted has no such series."},
	clientLastLegacy: {"client_last_legacy_timestamp_seconds", gauge, []string{"client"},
		"When a connection of the client last ended that could not have reached Microsoft 365 without tlslift, lifted or not, as a " +
			"Unix time; absent if there was none."},
	clientLastCapable: {"client_last_capable_timestamp_seconds", gauge, []string{"client"},
		"When a connection of the client last ended that could have reached Microsoft 365 without tlslift, as a Unix time; absent if " +
			"there was none."},
	clientLastSuccess: {"client_last_success_timestamp_seconds", gauge, []string{"client"},
		"When a connection of the client last ended without a reason, as a Unix time; absent if none did."},
	clientLastFailure: {"client_last_failure_timestamp_seconds", gauge, []string{"client", "reason"},
		"When a connection of the client last ended with a reason that counts as failing, as a Unix time; reason is that of this " +
			"connection. The client is failing for a day, unless a success is later."},
	clientInformation: {"client_info", gauge, []string{"client", "address", "name", "fingerprint"},
		"Always 1; the labels are the address from which the client last connected, its name in the clients file if it has one, " +
			"and the JA4 fingerprint of its last ClientHello if it sent one."},
	clientsTracked: {"clients_tracked", gauge, nil,
		"Clients that have series of their own."},
	clientsOverflowed: {"clients_overflowed_total", counter, nil,
		"Connections that were counted as client other, because there were too many clients, or too many of one IPv6 network."},

	upstreamHandshakesTotal: {"upstream_handshakes_total", counter,
		[]string{"destination", "tls_version", "cipher_suite", "resumed"},
		"TLS handshakes that tlslift completed with a destination; all destinations after the first " +
			strconv.Itoa(maxDestinations) + " share other."},
	upstreamFailuresTotal: {"upstream_failures_total", counter, []string{"destination", "reason"},
		"Connections that failed because of their destination or the network between it and tlslift, by reason."},

	probeSuccess: {"probe_success", gauge, []string{"destination"},
		"Whether the last probe of a destination in use opened a verified TLS connection to it: 1 or 0; absent without " +
			"TLSLIFT_PROBE_INTERVAL. At most 50 destinations are probed."},
	probeFailing: {"probe_failing", gauge, []string{"destination", "reason"},
		"Always 1, for a destination whose last probe failed; reason is why."},
	probeDuration: {"probe_duration_seconds", gauge, []string{"destination"},
		"How long the last probe of a destination took, with or without success."},
	tokenRequests: {"signin_token_requests_total", counter, []string{"result"},
		"Requests for a token for the sign-in, by result: ok, or the reason why there was none; absent without TLSLIFT_SIGNIN_FILE."},
	tokenRequestDuration: {"signin_token_request_duration_seconds", histogram, nil,
		"How long requests for a token took, with or without success."},
	tokenExpiry: {"signin_token_not_after_timestamp_seconds", gauge, []string{"kind"},
		"When the first of the kept tokens expires that have not yet, as a Unix time; kind is application or delegated, with _hve " +
			"for High Volume Email. Tokens are renewed before that while they are used; absent if there is none."},
	tokensFailing: {"signin_tokens_failing", gauge, []string{"kind", "reason"},
		"Tokens for which the last request failed, or that lack the permission of a protocol, by reason; absent if there is none. " +
			"A kept token may still serve."},
	credentialExpiry: {"signin_credential_not_after_timestamp_seconds", gauge, []string{"credential"},
		"When the certificate or the secret of the application expires, as a Unix time; that of a secret is expires of the sign-in " +
			"file, and absent without it."},
	mailboxSessions: {"signin_sessions", gauge, []string{"mailbox"},
		"Sessions that are signed in to a mailbox now; all mailboxes after the first " + strconv.Itoa(maxMailboxes) +
			" of the sign-in file share other."},
	mailboxSessionsLimit: {"signin_sessions_limit", gauge, []string{"mailbox"},
		"How many sessions of a mailbox may be open at once, from the sign-in file."},
	mailboxWaiting: {"signin_waiting", gauge, []string{"mailbox", "for"},
		"How many wait for their turn at a mailbox now; for is session or mail."},
	mailboxOldestWait: {"signin_oldest_wait_seconds", gauge, []string{"mailbox"},
		"How long the first of those has waited; 0 if nobody waits."},

	certificatesIssued: {"certificates_issued_total", counter, nil,
		"Certificates that the local certificate authority issued since the start."},
	caNotAfter: {"ca_not_after_timestamp_seconds", gauge, nil,
		"When the certificate of the local certificate authority expires, as a Unix time."},
	caFilesUsable: {"ca_files_usable", gauge, nil,
		"Whether the files of the local certificate authority can still be loaded as they were at the start: 1 or 0. With 0, tlslift goes " +
			"on, but would not start again; /ca and the log say what is wrong."},
	endpointsChecked: {"endpoints_checked_timestamp_seconds", gauge, nil,
		"When the list of Microsoft 365's endpoints in use was last confirmed to be the newest, as a Unix time; " +
			"without TLSLIFT_M365_REFRESH, when Microsoft published it."},
	endpointsRefreshes: {"endpoints_refreshes_total", counter, []string{"result"},
		"Requests to Microsoft's endpoints web service, by result: unchanged, updated, rejected, failed or throttled."},
	reloadSuccessful: {"config_last_reload_successful", gauge, nil,
		"Whether the last attempt to read the configuration was successful, at the start or after SIGHUP: 1 or 0."},
	reloadSuccessTime: {"config_last_reload_success_timestamp_seconds", gauge, nil,
		"When the configuration was last read with success, as a Unix time."},
	webConfigFailures: {"web_config_reload_failures_total", counter, nil,
		"How often TLSLIFT_ADMIN_WEB_CONFIG_FILE could not be used after a change, since the start. Until it is corrected, the admin " +
			"address answers only the health checks, and no scrape."},
	logLinesDropped: {"log_lines_dropped_total", counter, nil,
		"Log lines that were dropped since the start, because they could not be written in time: nobody reads standard error, or not fast " +
			"enough, or the disk is full. The metrics have counted their connections."},
	buildInfo: {"build_info", gauge, []string{"version", "revision", "goversion"},
		"Always 1; the labels are the version that is running."},
}

// clientLabel is the first label of every metric that has series of its own for
// each client.
const clientLabel = "client"

// isOfClients reports whether the metric has series for each client.
func (d *definition) isOfClients() bool { return len(d.labels) > 0 && d.labels[0] == clientLabel }

func (d definition) fullName() string { return "tlslift_" + d.name }

func (d definition) desc() *prometheus.Desc {
	return prometheus.NewDesc(d.fullName(), d.help, d.labels, nil)
}
