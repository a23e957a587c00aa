package proxy

import (
	"net/netip"
	"time"
)

// An Outcome is what became of a connection. The set is closed.
type Outcome string

// The outcomes.
const (
	// OutcomePassed: relayed untouched; tlslift decrypted nothing.
	OutcomePassed Outcome = "passed"
	// OutcomeLifted: the client's TLS ended here and newer TLS went upstream.
	OutcomeLifted Outcome = "lifted"
	// OutcomeRefused: turned away by a rule, before anything was relayed.
	OutcomeRefused Outcome = "refused"
	// OutcomeFailed: allowed, but a peer or the network broke it.
	OutcomeFailed Outcome = "failed"
)

// Outcomes returns the whole closed set.
func Outcomes() []Outcome {
	return []Outcome{OutcomePassed, OutcomeLifted, OutcomeRefused, OutcomeFailed}
}

// A Record is everything tlslift keeps of one connection: it feeds the log
// line, the metrics and the tests. It holds nothing of the content, and no
// credentials. Zero fields mean that the connection did not get that far.
type Record struct {
	// Listener is the listener's URL without its options, as in
	// "proxy://127.0.0.1:3128".
	Listener string
	// Client is the client's address, from the PROXY header when a trusted
	// balancer sent one.
	Client netip.Addr
	// ClientName is its name in the clients file; empty when it has none.
	ClientName string
	// Start is when the connection was accepted.
	Start time.Time
	// Duration is how long the connection lasted.
	Duration time.Duration
	// Original is where a redirected client was going; the zero value for
	// clients that were not redirected.
	Original netip.AddrPort
	// Protocol is what the client spoke to the destination: "smtp", "imap",
	// "pop3", "http", "tls" for whatever else is inside TLS, or "unknown" when
	// it did not get far enough to tell.
	Protocol string
	// Destination is host:port as allowed by the policy.
	Destination string
	// ServerName is the name the client put in its ClientHello, as sent.
	ServerName string
	// OfferedVersion is the newest TLS version in the client's hello, as in
	// "TLS 1.0"; "none" when there was no hello.
	OfferedVersion string
	// SSLv2Format says that the hello came in the format of SSL 2.0.
	SSLv2Format bool
	// JA3 and JA4 are the fingerprints of the hello; empty when there was none.
	JA3, JA4 string
	// Why is the rule that chose to pass or to lift, as in "tls_version".
	Why string

	Outcome Outcome
	// Reason is empty when nothing went wrong.
	Reason Reason
	// Err is the detail behind Reason; nil when there is none.
	Err error

	// ClientTLS describes the handshake with the client; nil unless lifted
	// and completed.
	ClientTLS *Handshake
	// UpstreamTLS describes the handshake with the destination; nil unless
	// lifted and completed.
	UpstreamTLS *Handshake

	// SMTPReplies counts the destination's replies in a lifted SMTP session, by
	// code; nil for others.
	SMTPReplies []SMTPReply
	// SMTPReply is the last negative one, as in "550 5.7.60"; empty when there
	// was none.
	SMTPReply string

	// BytesFromClient and BytesToClient count what was relayed, after TLS
	// was ended when lifted, as on the wire when passed.
	BytesFromClient int64
	BytesToClient   int64
}

const protocolUnknown = "unknown"

// forget takes back what is known of requests that were served in a connection
// which then goes on as a tunnel.
func (r *Record) forget() {
	r.Protocol, r.Destination = protocolUnknown, ""
	r.Outcome, r.Reason, r.Err = "", "", nil
	r.BytesFromClient, r.BytesToClient = 0, 0
}

// A Handshake describes one completed TLS handshake.
type Handshake struct {
	// Version and CipherSuite are names, as in "TLS 1.2" and
	// "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".
	Version     string
	CipherSuite string
	Resumed     bool
	Duration    time.Duration
}

// An Observer is told of every connection, from many goroutines at once. It
// must not block and must not keep the record.
type Observer interface {
	// Opened is called when a listener has accepted a connection.
	Opened(listener string)
	// Closed is called once for each Opened, when the connection has ended.
	Closed(r *Record)
}
