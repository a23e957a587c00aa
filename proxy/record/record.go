package record

import (
	"net/netip"
	"time"
)

// VersionNone stands in OfferedVersion for a client that sent no ClientHello.
const VersionNone = "none"

// A Record is everything tlslift keeps of one connection: it feeds the log
// line, the metrics, the inventory and the tests. Zero fields mean that the
// connection did not get that far.
type Record struct {
	// Listener is the listener's URL without its options, as in
	// "proxy://127.0.0.1:3128".
	Listener string
	// Client is the client's address, from the PROXY header when a trusted
	// balancer sent one.
	Client netip.Addr
	// ByBalancer means that a trusted balancer connected for itself and not for a
	// client, as for a health check.
	ByBalancer bool
	// Stopped means that tlslift closed the connection, because it stopped, before the
	// client had said anything.
	Stopped bool
	// ClientName is its name in the clients file; empty when it has none.
	ClientName string
	// Start is when the connection was accepted.
	Start time.Time
	// Duration is how long the connection lasted.
	Duration time.Duration
	// Original is the original destination of a redirected client; the zero
	// value for clients that were not redirected.
	Original netip.AddrPort
	Protocol Protocol
	// Destination is host:port as allowed by the policy.
	Destination string
	// ServerName is the name in the ClientHello, as sent.
	ServerName string
	// OfferedVersion is the newest TLS version in the ClientHello, as in
	// "TLS 1.0"; VersionNone when there was no ClientHello.
	OfferedVersion string
	// SSLv2Format means that the ClientHello came in the format of SSL 2.0.
	SSLv2Format bool
	// JA3 and JA4 are the fingerprints of the ClientHello; empty when there was
	// none.
	JA3, JA4 string
	// Rule is what decided to pass, to lift or to refuse.
	Rule Rule

	Outcome Outcome
	// Reason is empty when nothing went wrong.
	Reason Reason
	// Err is the detail of Reason; nil when there is none.
	Err error

	// ClientTLS describes the handshake with the client; nil unless lifted
	// and completed.
	ClientTLS *Handshake
	// UpstreamTLS describes the handshake with the destination; nil unless
	// lifted and completed.
	UpstreamTLS *Handshake

	// HandshakeWait is how long the handshakes have waited for their turn to compute.
	HandshakeWait time.Duration

	// Mailbox is the mailbox that tlslift signs in to for the client, and Login the
	// name that the client has signed in here by; empty when there was none. The
	// destination may have refused the sign-in: see SignedIn.
	Mailbox, Login string

	// SMTPReplies counts the destination's replies in a lifted SMTP session, by
	// code; nil for others.
	SMTPReplies []SMTPReply
	// SMTPReply is the last negative one, for example "550 5.7.60"; empty when there
	// was none.
	SMTPReply string
	// Accepted counts the mails that an SMTP destination has accepted in a lifted
	// session: those whose end it has answered with a positive reply.
	Accepted int

	// BytesFromClient and BytesToClient count what was relayed: the content of
	// TLS when lifted, what is on the wire when passed.
	BytesFromClient int64
	BytesToClient   int64
}

// Fail takes in why the connection did not do what its client wanted. Of a
// connection that was passed or lifted already, the outcome stays.
func (r *Record) Fail(f *Failure) {
	if r.Outcome != OutcomePassed && r.Outcome != OutcomeLifted {
		r.Outcome = f.Reason.Outcome()
	}
	r.Reason, r.Err = f.Reason, f.Err
}

// Failing reports whether somebody should look at the connection: the client or
// its mail did not get through.
func (r *Record) Failing() bool { return r.Reason.Failing() }

// SignedIn reports whether tlslift has signed in for the client. It may have failed
// after that.
func (r *Record) SignedIn() bool { return r.Mailbox != "" && r.Outcome == OutcomeLifted }

// IsHealthCheck reports whether the connection is no event: a trusted balancer looked
// whether the port is open, and no more, or there was none when tlslift stopped.
func (r *Record) IsHealthCheck() bool {
	if r.Stopped {
		return true
	}
	switch r.Reason {
	case ReasonClosedBeforeHello, ReasonClosedBeforeTLS:
		return r.ByBalancer
	}
	return false
}

// Need says what is known of whether a client needs tlslift.
type Need uint8

// The needs.
const (
	// NeedUnknown: the client did not get far enough to tell.
	NeedUnknown Need = iota
	// NeedNone: the client could reach Microsoft 365 by itself.
	NeedNone
	// NeedLifting: its ClientHello, its dialogue or its sign-in could not.
	NeedLifting
)

// Need returns whether the client of the connection needs tlslift, lifted or not: a
// client that is refused because of its TLS needs it most.
func (r *Record) Need() Need {
	switch {
	case r.Rule == RuleCapable:
		return NeedNone
	case r.Rule != "" && r.Rule != RuleBypass, r.Reason == ReasonSSL2Only, r.Reason == ReasonPlaintextNotAllowed:
		return NeedLifting
	}
	return NeedUnknown
}

// A Handshake describes one completed TLS handshake.
type Handshake struct {
	// Version and CipherSuite are names, for example "TLS 1.2" and
	// "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".
	Version     string
	CipherSuite string
	Resumed     bool
	Duration    time.Duration
	// CA is the ID of the CA whose certificate the client was shown; empty if it has resumed
	// a session, and for a destination.
	CA string
}

// String returns the version, the suite and whether the session was resumed;
// nothing for nil.
func (h *Handshake) String() string {
	if h == nil {
		return ""
	}
	s := h.Version + " " + h.CipherSuite
	if h.Resumed {
		s += " resumed"
	}
	return s
}
