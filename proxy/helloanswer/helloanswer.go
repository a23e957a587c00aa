// Package helloanswer reads how a destination begins its answer to a ClientHello that was
// passed on.
//
// It waits for no more than what tells a refusal from a handshake. What has come with that is
// the client's, too.
package helloanswer

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// ErrRefused means that the destination answered a passed hello with a
// fatal alert, or closed, before any ServerHello: the client has seen nothing
// yet and can still be lifted.
var ErrRefused = errors.New("the destination refused the client's hello")

// AlertFallback is inappropriate_fallback (RFC 7507).
const AlertFallback = 86

// TLS record framing (RFC 5246 section 6.2.1).
const (
	recordHeaderLen     = 5
	recordTypeHandshake = 22
	recordTypeAlert     = 21
	alertLen            = 2
	alertLevelFatal     = 2
	alertRecordTotal    = recordHeaderLen + alertLen
)

// most is how much of an answer is read at once: many destinations say all that they have
// to say until the client answers in less.
const most = 4 << 10

// buffers are what answers are read into.
var buffers = sync.Pool{New: func() any { return new([most]byte) }}

// Ask sends the hello to the destination and reads the beginning of the answer: the first
// record's header, the alert when it is one, and what has come with them. After STARTTLS,
// what is not TLS was injected. The error is ErrRefused, or a *record.Failure.
func Ask(destination net.Conn, hello []byte, afterSTARTTLS bool) ([]byte, error) {
	if _, err := destination.Write(hello); err != nil {
		return nil, failure(err)
	}
	buffer := buffers.Get().(*[most]byte)
	defer func() {
		clear(buffer[:])
		buffers.Put(buffer)
	}()
	answer := buffer[:]
	n, err := io.ReadAtLeast(destination, answer, recordHeaderLen)
	if err == nil && answer[0] == recordTypeAlert && n < alertRecordTotal {
		var more int
		more, err = io.ReadAtLeast(destination, answer[n:], alertRecordTotal-n)
		n += more
	}
	switch {
	case err != nil:
		return nil, failure(err)
	case answer[0] == recordTypeAlert, answer[0] == recordTypeHandshake:
		return bytes.Clone(answer[:n]), nil
	case afterSTARTTLS:
		return nil, record.Fail(record.ReasonUpstreamReplyInjected, errors.New("what comes after STARTTLS is not TLS"))
	}
	return nil, record.Fail(record.ReasonUpstreamHandshakeFailed, errors.New("what comes in the place of a ServerHello is not TLS"))
}

// failure returns why a hello got no answer. Some servers refuse by closing
// or resetting without an alert.
func failure(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return record.Fail(record.ReasonUpstreamTimeout, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), relay.IsReset(err):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return record.Fail(record.ReasonUpstreamUnreachable, err)
}

// Refusal returns the fatal alert that an answer of Ask is; nil if it is none.
func Refusal(answer []byte) *AlertError {
	if len(answer) < alertRecordTotal || answer[0] != recordTypeAlert || answer[recordHeaderLen] != alertLevelFatal {
		return nil
	}
	return &AlertError{Answer: answer[:alertRecordTotal]}
}

// An AlertError is an ErrRefused that still has the alert, in case the client
// must get it after all.
type AlertError struct{ Answer []byte }

// Alert returns the description of the alert.
func (e *AlertError) Alert() byte { return e.Answer[alertRecordTotal-1] }

func (e *AlertError) Error() string {
	return fmt.Sprintf("%v with alert %s", ErrRefused, hex.EncodeToString(e.Answer[recordHeaderLen:]))
}

// Unwrap returns ErrRefused.
func (e *AlertError) Unwrap() error { return ErrRefused }
