package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// failure gives an error its reason, except that cancelling says nothing about the
// destination and therefore stays what it is.
func failure(ctx context.Context, to endpoint, err error, reasonOf func(error) record.Reason) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return record.Fail(reasonOf(err), fmt.Errorf("reaching %s: %w", to, err))
}

// Failure returns why a destination could not be reached, by an error of a Dialer; a
// cut-off at shutdown says nothing about it.
func Failure(err error) *record.Failure {
	var f *record.Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.Canceled):
		return record.Fail(record.ReasonCutOff, err)
	}
	return record.Fail(record.ReasonUpstreamUnreachable, err)
}

// notADestination is the error for what cannot even be looked up.
func notADestination(shown string, err error) error {
	return record.Fail(record.ReasonNameNotFound, fmt.Errorf("reaching %q: %w", netname.Cut(shown, maxShown), err))
}

// A classified error is one of our own, which has its reason.
type classified struct {
	reason record.Reason
	err    error
}

func (c *classified) Error() string { return c.err.Error() }

func (c *classified) Unwrap() error { return c.err }

func isClassified(err error) bool {
	_, is := errors.AsType[*classified](err)
	return is
}

func dialReason(err error) record.Reason {
	if ours, is := errors.AsType[*classified](err); is {
		return ours.reason
	}
	if lacksFiles(err) {
		return record.ReasonTooManyOpenFiles
	}
	if dns, is := errors.AsType[*net.DNSError](err); is {
		if dns.IsNotFound {
			return record.ReasonNameNotFound
		}
		return record.ReasonDNSFailed
	}
	switch {
	case errors.Is(err, errConnectionRefused):
		return record.ReasonUpstreamRefused
	case errors.Is(err, errTimedOut), isTimeout(err):
		return record.ReasonUpstreamTimeout
	}
	return record.ReasonUpstreamUnreachable
}

// lacksFiles reports whether the system gave no socket because there are too many.
func lacksFiles(err error) bool {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return true
	}
	// A look-up keeps the text of its error only.
	dns, is := errors.AsType[*net.DNSError](err)
	return is && (strings.HasSuffix(dns.Err, syscall.EMFILE.Error()) || strings.HasSuffix(dns.Err, syscall.ENFILE.Error()))
}

func handshakeReason(err error) record.Reason {
	if verification, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return certificateReason(verification.Err)
	}
	switch {
	case isTimeout(err):
		return record.ReasonUpstreamTimeout
	case isTooOld(err):
		return record.ReasonUpstreamTLSTooOld
	}
	return record.ReasonUpstreamHandshakeFailed
}

func certificateReason(err error) record.Reason {
	var (
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		noRoots   x509.SystemRootsError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return record.ReasonUpstreamCertExpired
	case errors.As(err, &name):
		return record.ReasonUpstreamCertName
	case errors.As(err, &authority), errors.As(err, &noRoots):
		return record.ReasonUpstreamCertUntrusted
	}
	return record.ReasonUpstreamCertInvalid
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
