package prologue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// A Kind says in one word why an opening did not lead to TLS. The set is
// closed.
type Kind string

// The kinds.
const (
	// ClientSilent: the client closed without a word.
	ClientSilent Kind = "client_silent"
	// ClientClosed: the client took its leave, or closed, before TLS began.
	ClientClosed Kind = "client_closed"
	// ClientTimeout: the client did not send a whole line in time.
	ClientTimeout Kind = "client_timeout"
	// ClientMalformed: the client broke the protocol's rules or a limit.
	ClientMalformed Kind = "client_malformed"
	// PlaintextRefused: the client wanted to go on without TLS and may not.
	PlaintextRefused Kind = "plaintext_refused"
	// CommandAfterStartTLS: bytes came behind STARTTLS before its reply.
	CommandAfterStartTLS Kind = "command_after_starttls"
	// TLSBeforeStartTLS: the client began TLS where a command was expected.
	TLSBeforeStartTLS Kind = "tls_before_starttls"
	// ProxyHeader: the client began with a PROXY protocol header.
	ProxyHeader Kind = "proxy_header"
	// UpstreamClosed: the destination closed in the middle of the opening.
	UpstreamClosed Kind = "upstream_closed"
	// UpstreamTimeout: the destination did not answer in time.
	UpstreamTimeout Kind = "upstream_timeout"
	// UpstreamMalformed: the destination broke the protocol's rules or a limit.
	UpstreamMalformed Kind = "upstream_malformed"
	// UpstreamInjected: the destination's side said more than it was asked.
	UpstreamInjected Kind = "upstream_injected"
	// UpstreamNoStartTLS: the destination does not offer or do STARTTLS.
	UpstreamNoStartTLS Kind = "upstream_no_starttls"
	// UpstreamRefused: the destination turned the session down.
	UpstreamRefused Kind = "upstream_refused"
)

// An Error says why an opening did not lead to TLS.
type Error struct {
	Kind Kind
	// Told says that the client has had its answer in its own protocol.
	Told bool
	// Reply is what the destination said when it turned the session down, for
	// the client to read; nil otherwise.
	Reply []byte
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// readError classifies a failed read of a line by the side it came from.
func (s *side) readError(err error) *Error {
	e := &Error{Err: fmt.Errorf("reading from the %s: %w", s.name, err)}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Kind = s.kinds.timeout
	case errors.Is(err, errLineTooLong), errors.Is(err, errControl):
		e.Kind = s.kinds.malformed
	default:
		e.Kind = s.kinds.closed
	}
	return e
}

// writeError classifies a failed write: a peer that takes nothing any more.
func (s *side) writeError(err error) *Error {
	e := &Error{Kind: s.kinds.closed, Err: fmt.Errorf("writing to the %s: %w", s.name, err)}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.Kind = s.kinds.timeout
	}
	return e
}

// turnedDown is the destination's own no.
func turnedDown(reply []byte) *Error {
	return &Error{Kind: UpstreamRefused, Reply: reply, Err: fmt.Errorf("the destination said %q", shown(reply))}
}

// maxShown bounds what an error shows of a reply.
const maxShown = 200

// shown is the last line of a reply as far as an error may show it.
func shown(reply []byte) string {
	text := strings.TrimSpace(string(reply))
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	return text[:min(len(text), maxShown)]
}

var (
	errLineTooLong = errors.New("a line is too long")
	errControl     = errors.New("a line holds a control character")
)

// unexpectedEOF tells an end in the middle of a line from one between lines.
func unexpectedEOF(line []byte, err error) error {
	if errors.Is(err, io.EOF) && len(bytes.TrimSpace(line)) > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}
