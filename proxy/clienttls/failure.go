package clienttls

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"sync/atomic"

	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A watchedConn sees how far a handshake gets.
type watchedConn struct {
	*relay.Conn
	sent    atomic.Int64
	replied atomic.Bool // something was read after something was sent
}

// Read implements net.Conn.
func (w *watchedConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && w.sent.Load() > 0 {
		w.replied.Store(true)
	}
	return n, err
}

// Write implements net.Conn.
func (w *watchedConn) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.sent.Add(int64(n))
	return n, err
}

// silentSince reports whether a client was sent a certificate and has sent nothing
// since. What is sent when a session is resumed is shorter than a certificate.
func (w *watchedConn) silentSince(leaf *tls.Certificate) bool {
	return !w.replied.Load() && w.sent.Load() > int64(len(leaf.Certificate[0]))
}

// failureOf returns why a handshake failed; silent means that the client has sent
// nothing since it was sent the certificate.
func failureOf(err error, silent bool) *record.Failure {
	if reason := AlertReason(err); reason != "" {
		return record.Fail(reason, err)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return record.Fail(record.ReasonCutOff, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return record.Fail(record.ReasonClientHandshakeTimeout, err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !relay.IsReset(err):
		return record.Fail(record.ReasonClientHandshakeFailed, err)
	case silent:
		return record.Fail(record.ReasonClientClosedAfterCert, err)
	}
	return record.Fail(record.ReasonClientClosed, err)
}

// isAlerted reports whether err is what a client did wrong, and was told by an alert.
func isAlerted(err error) bool {
	if _, is := errors.AsType[*legacytls.ProtocolError](err); is {
		return true
	}
	op, is := errors.AsType[*net.OpError](err)
	return is && op.Op == "local error"
}

// alertReasons are the alerts of RFC 5246 section 7.2.2 that have a reason of
// their own.
var alertReasons = map[uint8]record.Reason{
	40: record.ReasonClientParameters, // handshake_failure
	42: record.ReasonClientBadCertificate,
	43: record.ReasonClientCertUnsupported,
	44: record.ReasonClientCertRevoked,
	45: record.ReasonClientCertExpired,
	46: record.ReasonClientCertUnknown,
	47: record.ReasonClientParameters, // illegal_parameter
	48: record.ReasonClientUnknownCA,
	70: record.ReasonClientParameters, // protocol_version
	71: record.ReasonClientParameters, // insufficient_security
}

// AlertReason returns the reason of the TLS alert that the client sent; empty if
// that is not what err is. A TLS 1.3 client rejects a certificate only after the
// handshake is complete, so that the alert can come while bytes are relayed.
//
// The type that crypto/tls has for an alert is not exported: it is a uint8 inside a
// net.OpError whose Op is "remote error".
func AlertReason(err error) record.Reason {
	var legacy *legacytls.AlertError
	if errors.As(err, &legacy) {
		return cmp.Or(alertReasons[legacy.Description], record.ReasonClientAlert)
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return ""
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return ""
	}
	return cmp.Or(alertReasons[byte(v.Uint()&0xff)], record.ReasonClientAlert)
}

// RelayFailure returns why the relay of a connection ended; nil for an ordinary end. That includes one
// after which nothing was expected: many clients keep connections open that they do not
// use.
func RelayFailure(err error) error {
	reason := AlertReason(err)
	var f *record.Failure
	switch {
	case reason != "":
		return record.Fail(reason, err)
	case errors.As(err, &f):
		return f
	case errors.Is(err, relay.ErrStuck):
		return record.Fail(record.ReasonIdleTimeout, err)
	case errors.Is(err, relay.ErrIdle), relay.Trouble(err) == nil:
		return nil
	}
	return record.Fail(record.ReasonRelayBroken, err)
}
