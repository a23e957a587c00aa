package proxy

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A Conn holds the largest ClientHello.
const _ = uint(relay.MaxBufferSize - clienthello.MaxSize)

// peekHello looks at the ClientHello without consuming it.
func (c *conn) peekHello(timeout time.Duration) error {
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	hello, err := clienthello.Peek(c.Conn)
	if err != nil {
		return c.helloFailure(err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	c.hello = hello
	if c.mail == nil {
		c.rec.Protocol = record.ProtocolTLS
	}
	c.rec.ServerName = hello.ServerName
	c.rec.OfferedVersion = clienthello.VersionName(hello.MaxVersion())
	c.rec.SSLv2Format = hello.Format == clienthello.SSLv2
	c.rec.JA3, c.rec.JA4 = hello.JA3(), hello.JA4()
	return nil
}

// helloFailure returns why there is no ClientHello.
func (c *conn) helloFailure(err error) *record.Failure {
	var notTLS *clienthello.NotTLSError
	var malformed *clienthello.MalformedError
	switch {
	case errors.As(err, &notTLS) && c.mail != nil && c.mail.ClientSTARTTLS():
		// It came too late to be seen together with STARTTLS, and is no better.
		return record.Fail(record.ReasonCommandAfterStartTLS, err)
	case errors.As(err, &notTLS) && notTLS.Looks == clienthello.LooksHTTP:
		return record.Fail(record.ReasonHTTPOnTLSPort, err)
	case errors.As(err, &notTLS) && notTLS.Looks == clienthello.LooksProxyProtocol:
		return record.Fail(record.ReasonProxyHeaderUntrusted, err)
	case errors.As(err, &notTLS):
		return record.Fail(record.ReasonNotTLS, err)
	case errors.As(err, &malformed):
		return &record.Failure{Reason: record.ReasonHelloMalformed, Err: err, Alert: malformed.Alert}
	case errors.Is(err, clienthello.ErrTooLarge):
		return record.Fail(record.ReasonHelloTooLarge, err)
	}
	return readFailure(err)
}

// readFailure returns why the client's first message could not be read.
func readFailure(err error) *record.Failure {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return record.Fail(record.ReasonHelloTimeout, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return record.Fail(record.ReasonHelloTruncated, err)
	}
	return record.Fail(record.ReasonClosedBeforeHello, err)
}
