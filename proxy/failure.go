package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A failure is an error that knows its reason and its outcome.
type failure struct {
	outcome Outcome // OutcomeRefused or OutcomeFailed
	reason  Reason
	err     error  // the detail; may be nil
	told    bool   // the client has had its answer
	reply   []byte // the destination's own words for the client; may be nil
}

func (f *failure) Error() string {
	if f.err == nil {
		return string(f.reason)
	}
	return fmt.Sprintf("%s: %v", f.reason, f.err)
}

func (f *failure) Unwrap() error { return f.err }

// refused is a failure by one of our rules.
func refused(r Reason, err error) *failure {
	return &failure{outcome: OutcomeRefused, reason: r, err: err}
}

// failed is a failure by a peer or by the network.
func failed(r Reason, err error) *failure {
	return &failure{outcome: OutcomeFailed, reason: r, err: err}
}

// asFailure gives any error of a stage its reason; what no stage has named is
// an internal error, so that nothing goes uncounted.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return failed(ReasonInternal, err)
}

// policyReasons maps what the policy objects to.
var policyReasons = map[policy.Kind]Reason{
	policy.Invalid:        ReasonDestinationInvalid,
	policy.IsAddress:      ReasonDestinationIsAddress,
	policy.HostNotAllowed: ReasonDestinationNotAllowed,
	policy.PortNotAllowed: ReasonPortNotAllowed,
}

func policyFailure(err error) *failure {
	var p *policy.Error
	if errors.As(err, &p) {
		return refused(policyReasons[p.Kind], err)
	}
	return refused(ReasonDestinationInvalid, err)
}

// upstreamReasons maps what went wrong on the way to the destination.
var upstreamReasons = map[upstream.Kind]Reason{
	upstream.NameNotFound:         ReasonNameNotFound,
	upstream.DNSFailed:            ReasonDNSFailed,
	upstream.AddressForbidden:     ReasonAddressForbidden,
	upstream.IsSelf:               ReasonDestinationIsSelf,
	upstream.Refused:              ReasonUpstreamRefused,
	upstream.Timeout:              ReasonUpstreamTimeout,
	upstream.Unreachable:          ReasonUpstreamUnreachable,
	upstream.EgressProxy:          ReasonEgressProxyFailed,
	upstream.TLSTooOld:            ReasonUpstreamTLSTooOld,
	upstream.CertificateExpired:   ReasonUpstreamCertExpired,
	upstream.CertificateUntrusted: ReasonUpstreamCertUntrusted,
	upstream.CertificateName:      ReasonUpstreamCertName,
	upstream.CertificateInvalid:   ReasonUpstreamCertInvalid,
	upstream.HandshakeFailed:      ReasonUpstreamHandshakeFailed,
}

func upstreamFailure(err error) *failure {
	var u *upstream.Error
	switch {
	case errors.As(err, &u) && (u.Kind == upstream.AddressForbidden || u.Kind == upstream.IsSelf):
		return refused(upstreamReasons[u.Kind], err)
	case errors.As(err, &u):
		return failed(upstreamReasons[u.Kind], err)
	case errors.Is(err, context.Canceled):
		return failed(ReasonCutOff, err)
	}
	return failed(ReasonUpstreamUnreachable, err)
}

// helloFailure says why no ClientHello could be had from the client.
func (c *client) helloFailure(err error) *failure {
	var notTLS *clienthello.NotTLSError
	switch {
	case errors.As(err, &notTLS) && c.mail != nil && !c.mail.clientTLS:
		// It came too late to be seen behind STARTTLS, and is no better.
		return refused(ReasonCommandAfterStartTLS, err)
	case errors.As(err, &notTLS):
		return refused(notTLSReason(notTLS.Looks), err)
	case errors.Is(err, clienthello.ErrMalformed):
		return refused(ReasonHelloMalformed, err)
	case errors.Is(err, clienthello.ErrTooLarge):
		return refused(ReasonHelloTooLarge, err)
	}
	return readFailure(err)
}

func notTLSReason(looks string) Reason {
	switch looks {
	case clienthello.LooksHTTP:
		return ReasonHTTPOnTLSPort
	case clienthello.LooksProxyProtocol:
		return ReasonProxyHeaderUntrusted
	}
	return ReasonNotTLS
}

// readFailure classifies a failed read of the client's opening.
func readFailure(err error) *failure {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failed(ReasonHelloTimeout, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return failed(ReasonHelloTruncated, err)
	}
	return failed(ReasonClosedBeforeHello, err)
}

// clientFailure says why the TLS handshake with the client failed; silent means
// that the client has said nothing since it was sent the certificate.
func clientFailure(err error, silent bool) *failure {
	if alert, ok := receivedAlert(err); ok {
		return failed(alertReason(alert), err)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return failed(ReasonCutOff, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return failed(ReasonClientHandshakeTimeout, err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err):
		return failed(ReasonClientHandshakeFailed, err)
	case silent:
		return failed(ReasonClientClosedAfterCert, err)
	}
	return failed(ReasonClientClosed, err)
}

// alertReasons are the alerts of RFC 5246 section 7.2.2 that tell more than that
// the client had enough.
var alertReasons = map[uint8]Reason{
	40: ReasonClientParameters, // handshake_failure
	42: ReasonClientBadCertificate,
	43: ReasonClientCertUnsupported,
	44: ReasonClientCertRevoked,
	45: ReasonClientCertExpired,
	46: ReasonClientCertUnknown,
	47: ReasonClientParameters, // illegal_parameter
	48: ReasonClientUnknownCA,
	70: ReasonClientParameters, // protocol_version
	71: ReasonClientParameters, // insufficient_security
}

func alertReason(alert uint8) Reason { return cmp.Or(alertReasons[alert], ReasonClientAlert) }

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
