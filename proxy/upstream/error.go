package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// A Kind says in one word why a destination could not be reached. The set is
// closed.
type Kind string

// The kinds, in the order of the steps of a connection.
const (
	// NameNotFound: the name does not exist, has no address or is no name.
	NameNotFound Kind = "name_not_found"
	// DNSFailed: the name servers gave no usable answer, or none in time.
	DNSFailed Kind = "dns_failed"
	// AddressForbidden: all addresses of the name are Forbidden.
	AddressForbidden Kind = "address_forbidden"
	// IsSelf: the address is that of one of our own listeners.
	IsSelf Kind = "is_self"
	// Refused: the TCP connection was refused.
	Refused Kind = "refused"
	// Timeout: no TCP connection or no TLS handshake in time.
	Timeout Kind = "timeout"
	// Unreachable: no way to the address.
	Unreachable Kind = "unreachable"
	// EgressProxy: the egress proxy could not be used or said no.
	EgressProxy Kind = "egress_proxy"
	// TLSTooOld: the destination speaks no TLS 1.2.
	TLSTooOld Kind = "tls_too_old"
	// CertificateExpired: the certificate is no longer or not yet valid.
	CertificateExpired Kind = "certificate_expired"
	// CertificateUntrusted: no trusted authority signed the certificate.
	CertificateUntrusted Kind = "certificate_untrusted"
	// CertificateName: the certificate is for another name.
	CertificateName Kind = "certificate_name"
	// CertificateInvalid: the certificate does not verify for another reason.
	CertificateInvalid Kind = "certificate_invalid"
	// HandshakeFailed: the TLS handshake failed for another reason.
	HandshakeFailed Kind = "handshake_failed"
)

// Kinds returns the whole closed set, in the order of the steps.
func Kinds() []Kind { return slices.Clone(allKinds) }

// allKinds has every constant above; a test reads this file to prove it.
var allKinds = []Kind{
	NameNotFound, DNSFailed, AddressForbidden, IsSelf, Refused, Timeout,
	Unreachable, EgressProxy, TLSTooOld, CertificateExpired,
	CertificateUntrusted, CertificateName, CertificateInvalid, HandshakeFailed,
}

func (k Kind) String() string { return string(k) }

// An Error says why a destination could not be reached.
type Error struct {
	Kind Kind
	// Destination is host:port as it was asked for; quoted when it is not a
	// valid one.
	Destination string
	Err         error
}

func (e *Error) Error() string { return fmt.Sprintf("reaching %s: %v", e.Destination, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// newError is an Error, except that cancelling says nothing about the
// destination and therefore stays what it is.
func newError(ctx context.Context, to endpoint, err error, kindOf func(error) Kind) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return &Error{Kind: kindOf(err), Destination: to.String(), Err: err}
}

// notADestination is the error for what cannot even be looked up.
func notADestination(shown string, err error) error {
	return &Error{Kind: NameNotFound, Destination: fmt.Sprintf("%.300q", shown), Err: err}
}

// A classified error is one whose kind we know because we made it.
type classified struct {
	kind Kind
	err  error
}

func (c *classified) Error() string { return c.err.Error() }

func (c *classified) Unwrap() error { return c.err }

func isClassified(err error) bool {
	_, is := errors.AsType[*classified](err)
	return is
}

func dialKind(err error) Kind {
	if ours, is := errors.AsType[*classified](err); is {
		return ours.kind
	}
	if dns, is := errors.AsType[*net.DNSError](err); is {
		if dns.IsNotFound {
			return NameNotFound
		}
		return DNSFailed
	}
	switch {
	case errors.Is(err, errConnectionRefused):
		return Refused
	case errors.Is(err, errTimedOut), isTimeout(err):
		return Timeout
	}
	return Unreachable
}

func handshakeKind(err error) Kind {
	if verification, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return certificateKind(verification.Err)
	}
	switch {
	case isTimeout(err):
		return Timeout
	case isTooOld(err):
		return TLSTooOld
	}
	return HandshakeFailed
}

func certificateKind(err error) Kind {
	var (
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		noRoots   x509.SystemRootsError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return CertificateExpired
	case errors.As(err, &name):
		return CertificateName
	case errors.As(err, &authority), errors.As(err, &noRoots):
		return CertificateUntrusted
	}
	return CertificateInvalid
}

func isTimeout(err error) bool {
	timeout, is := errors.AsType[net.Error](err)
	return is && timeout.Timeout()
}

// isTooOld reads the text, because crypto/tls has no exported type for either
// the alert protocol_version or a ServerHello of a version we did not offer.
func isTooOld(err error) bool {
	text := err.Error()
	return strings.Contains(text, "remote error: tls: protocol version not supported") ||
		strings.Contains(text, "server selected unsupported protocol version")
}
