package record

// An Outcome is what became of a connection. The set is closed.
type Outcome string

// The outcomes.
const (
	// OutcomePassed: relayed untouched; tlslift decrypted nothing.
	OutcomePassed Outcome = "passed"
	// OutcomeLifted: the client's TLS ended here and newer TLS went upstream.
	OutcomeLifted Outcome = "lifted"
	// OutcomeRefused: rejected by a rule of ours before anything was relayed.
	OutcomeRefused Outcome = "refused"
	// OutcomeFailed: allowed, but a peer or the network broke it.
	OutcomeFailed Outcome = "failed"
)

// Outcomes returns the whole closed set.
func Outcomes() []Outcome {
	return []Outcome{OutcomePassed, OutcomeLifted, OutcomeRefused, OutcomeFailed}
}

// A Protocol is what a client speaks with its destination. The set is closed.
type Protocol string

// The protocols.
const (
	ProtocolSMTP Protocol = "smtp"
	ProtocolIMAP Protocol = "imap"
	ProtocolPOP3 Protocol = "pop3"
	ProtocolHTTP Protocol = "http" // in plaintext
	// ProtocolTLS is whatever else is inside TLS.
	ProtocolTLS Protocol = "tls"
	// ProtocolUnknown: the client did not get far enough.
	ProtocolUnknown Protocol = "unknown"
)
