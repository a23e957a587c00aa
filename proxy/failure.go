package proxy

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"reflect"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// asFailure gives any error of a stage its reason; what no stage has named is
// an internal error, so that nothing goes uncounted.
func asFailure(err error) *record.Failure {
	var f *record.Failure
	if errors.As(err, &f) {
		return f
	}
	return record.Fail(record.ReasonInternal, err)
}

// policyReasons maps what the policy objects to.
var policyReasons = map[policy.Kind]record.Reason{
	policy.Invalid:        record.ReasonDestinationInvalid,
	policy.IsAddress:      record.ReasonDestinationIsAddress,
	policy.HostNotAllowed: record.ReasonDestinationNotAllowed,
	policy.PortNotAllowed: record.ReasonPortNotAllowed,
}

func policyFailure(err error) *record.Failure {
	var p *policy.Error
	if errors.As(err, &p) {
		return record.Fail(policyReasons[p.Kind], err)
	}
	return record.Fail(record.ReasonDestinationInvalid, err)
}

// upstreamReasons maps what went wrong on the way to the destination.
var upstreamReasons = map[upstream.Kind]record.Reason{
	upstream.NameNotFound:         record.ReasonNameNotFound,
	upstream.DNSFailed:            record.ReasonDNSFailed,
	upstream.AddressForbidden:     record.ReasonAddressForbidden,
	upstream.IsSelf:               record.ReasonDestinationIsSelf,
	upstream.Refused:              record.ReasonUpstreamRefused,
	upstream.Timeout:              record.ReasonUpstreamTimeout,
	upstream.Unreachable:          record.ReasonUpstreamUnreachable,
	upstream.EgressProxy:          record.ReasonEgressProxyFailed,
	upstream.TLSTooOld:            record.ReasonUpstreamTLSTooOld,
	upstream.CertificateExpired:   record.ReasonUpstreamCertExpired,
	upstream.CertificateUntrusted: record.ReasonUpstreamCertUntrusted,
	upstream.CertificateName:      record.ReasonUpstreamCertName,
	upstream.CertificateInvalid:   record.ReasonUpstreamCertInvalid,
	upstream.HandshakeFailed:      record.ReasonUpstreamHandshakeFailed,
}

func upstreamFailure(err error) *record.Failure {
	var u *upstream.Error
	switch {
	case errors.As(err, &u):
		return record.Fail(upstreamReasons[u.Kind], err)
	case errors.Is(err, context.Canceled):
		return record.Fail(record.ReasonCutOff, err)
	}
	return record.Fail(record.ReasonUpstreamUnreachable, err)
}

// helloFailure says why no ClientHello could be had from the client.
func (c *client) helloFailure(err error) *record.Failure {
	var notTLS *clienthello.NotTLSError
	switch {
	case errors.As(err, &notTLS) && c.mail != nil && !c.mail.clientTLS:
		// It came too late to be seen behind STARTTLS, and is no better.
		return record.Fail(record.ReasonCommandAfterStartTLS, err)
	case errors.As(err, &notTLS):
		return record.Fail(notTLSReason(notTLS.Looks), err)
	case errors.Is(err, clienthello.ErrMalformed):
		return record.Fail(record.ReasonHelloMalformed, err)
	case errors.Is(err, clienthello.ErrTooLarge):
		return record.Fail(record.ReasonHelloTooLarge, err)
	}
	return readFailure(err)
}

func notTLSReason(looks string) record.Reason {
	switch looks {
	case clienthello.LooksHTTP:
		return record.ReasonHTTPOnTLSPort
	case clienthello.LooksProxyProtocol:
		return record.ReasonProxyHeaderUntrusted
	}
	return record.ReasonNotTLS
}

// readFailure classifies a failed read of the client's opening.
func readFailure(err error) *record.Failure {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return record.Fail(record.ReasonHelloTimeout, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return record.Fail(record.ReasonHelloTruncated, err)
	}
	return record.Fail(record.ReasonClosedBeforeHello, err)
}

// clientFailure says why the TLS handshake with the client failed; silent means
// that the client has said nothing since it was sent the certificate.
func clientFailure(err error, silent bool) *record.Failure {
	if alert, ok := receivedAlert(err); ok {
		return record.Fail(alertReason(alert), err)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return record.Fail(record.ReasonCutOff, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return record.Fail(record.ReasonClientHandshakeTimeout, err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err):
		return record.Fail(record.ReasonClientHandshakeFailed, err)
	case silent:
		return record.Fail(record.ReasonClientClosedAfterCert, err)
	}
	return record.Fail(record.ReasonClientClosed, err)
}

// alertReasons are the alerts of RFC 5246 section 7.2.2 that tell more than that
// the client had enough.
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

func alertReason(alert uint8) record.Reason {
	return cmp.Or(alertReasons[alert], record.ReasonClientAlert)
}

// receivedAlert returns the TLS alert that the peer sent, if that is what err
// is, from either engine. crypto/tls keeps the alert's type to itself: it is a uint8 inside a
// net.OpError whose Op is "remote error".
func receivedAlert(err error) (uint8, bool) {
	var legacy *legacytls.AlertError
	if errors.As(err, &legacy) {
		return legacy.Description, true
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return byte(v.Uint() & 0xff), true
}
