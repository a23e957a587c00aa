package clienthello

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrMalformed is a hello, or a TLS record in its place, that breaks the
// protocol's rules; the package documentation says which.
var ErrMalformed = errors.New("malformed client hello")

// ErrTooLarge is a hello that takes more than MaxSize bytes of the stream, or whose
// message is larger than there is any use for.
var ErrTooLarge = errors.New("client hello too large")

// A MalformedError is an ErrMalformed with the alert that answers it.
type MalformedError struct {
	What  string
	Alert uint8 // RFC 8446 section 6
}

// The alerts.
const (
	alertUnexpectedMessage = 10
	alertDecodeError       = 50
	alertProtocolVersion   = 70
)

// Error says what is wrong.
func (e *MalformedError) Error() string { return fmt.Sprintf("%v: %s", ErrMalformed, e.What) }

// Unwrap returns ErrMalformed.
func (e *MalformedError) Unwrap() error { return ErrMalformed }

func malformed(what string) error { return &MalformedError{what, alertDecodeError} }

func unexpected(what string) error { return &MalformedError{what, alertUnexpectedMessage} }

func badVersion(what string) error { return &MalformedError{what, alertProtocolVersion} }

const (
	recordHeaderLen     = 5
	recordTypeHandshake = 22
	maxRecord           = 16 << 10 // RFC 8446 section 5.1

	handshakeHeaderLen       = 4
	handshakeTypeClientHello = 1
)

// A Reader is what Peek looks at: a *bufio.Reader of MaxSize bytes, or one that grows to
// that size.
type Reader interface {
	// Peek returns the next n bytes without consuming them, as that of a
	// *bufio.Reader does.
	Peek(n int) ([]byte, error)
	// Buffered returns how many bytes Peek returns without waiting.
	Buffered() int
}

// Peek looks at the ClientHello that r begins with. It consumes nothing, and
// looking again gives the same.
//
// Of the client it asks for nothing but what is still missing of a hello that
// has begun, so that it returns as soon as a whole hello is there. How long
// that may take is the caller's to limit, with a read deadline.
//
// The errors to tell apart are *NotTLSError, *MalformedError (which is
// ErrMalformed) and ErrTooLarge. The end of the stream is io.EOF before the first
// byte; after it, that or a reset is io.ErrUnexpectedEOF. Other errors of reading
// are wrapped.
func Peek(r Reader) (*Hello, error) {
	first, err := peek(r, 1)
	if err != nil {
		return nil, err
	}
	switch {
	case first[0] == recordTypeHandshake:
		return peekRecords(r)
	case first[0]&0x80 != 0:
		return peekSSLv2(r)
	}
	return peekOther(r)
}

// peek returns the first n bytes, which the client must have announced.
func peek(r Reader, n int) ([]byte, error) {
	b, err := r.Peek(n)
	if err == nil {
		return b, nil
	}
	switch {
	case len(b) == 0 || errors.Is(err, os.ErrDeadlineExceeded):
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	default:
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return nil, fmt.Errorf("reading client hello: %w", err)
}

// peekRecords collects the hello from as many records as it takes, which may
// be as small as one byte each (RFC 8446 section 5.1).
func peekRecords(r Reader) (*Hello, error) {
	var message []byte
	var version uint16
	for end := 0; ; {
		record, err := peekRecord(r, end)
		if err != nil {
			return nil, err
		}
		if end == 0 {
			version = binary.BigEndian.Uint16(record[1:])
		}
		end += len(record)
		message = append(message, record[recordHeaderLen:]...)
		body, err := helloBody(message)
		if err != nil {
			return nil, err
		}
		if body != nil {
			return parse(body, end, version)
		}
	}
}

// peekRecord returns the record that begins at an offset, with its header. Its
// version must be ignored (RFC 8446 section 5.1), except that nothing like TLS
// begins with one so high, and that no server takes one from before SSL 3.0.
func peekRecord(r Reader, at int) ([]byte, error) {
	end := at + recordHeaderLen
	if end > MaxSize {
		return nil, ErrTooLarge
	}
	b, err := peek(r, end)
	if err != nil {
		return nil, err
	}
	header := b[at:]
	length := int(binary.BigEndian.Uint16(header[3:]))
	end += length
	switch {
	case at == 0 && header[1] >= 0x10:
		return nil, &NotTLSError{Looks: LooksUnknown}
	case header[0] != recordTypeHandshake:
		return nil, unexpected("another record inside it")
	case header[1] < versionSSL30>>8:
		return nil, badVersion("a record of a version from before SSL 3.0")
	case length == 0: // forbidden by RFC 8446 section 5.1
		return nil, unexpected("an empty record")
	case length > maxRecord, end > MaxSize:
		return nil, ErrTooLarge
	}
	if b, err = peek(r, end); err != nil {
		return nil, err
	}
	return b[at:], nil
}

// helloBody returns the body of the hello that is the handshake message; nil
// while it is not complete. A client has to wait for the answer before it sends
// another message (RFC 5246 section 7.3).
func helloBody(message []byte) ([]byte, error) {
	if message[0] != handshakeTypeClientHello {
		return nil, unexpected("another handshake message in its place")
	}
	if len(message) < handshakeHeaderLen {
		return nil, nil
	}
	size := handshakeHeaderLen + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
	switch {
	case size > handshakeHeaderLen+maxMessage:
		return nil, ErrTooLarge
	case len(message) < size:
		return nil, nil
	case len(message) > size:
		return nil, unexpected("bytes after it in its record")
	}
	return message[handshakeHeaderLen:], nil
}
