package clienttls

import (
	"fmt"
	"io"
	"testing"

	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
)

// What a client says to the certificate leads to different remedies.
func TestAlertsOfClients(t *testing.T) {
	t.Parallel()
	for alert, want := range map[uint8]record.Reason{
		48: record.ReasonClientUnknownCA, 42: record.ReasonClientBadCertificate, 43: record.ReasonClientCertUnsupported,
		44: record.ReasonClientCertRevoked, 45: record.ReasonClientCertExpired, 46: record.ReasonClientCertUnknown,
		40: record.ReasonClientParameters, 47: record.ReasonClientParameters, 70: record.ReasonClientParameters,
		71: record.ReasonClientParameters,
		10: record.ReasonClientAlert, 20: record.ReasonClientAlert, 80: record.ReasonClientAlert, 255: record.ReasonClientAlert,
	} {
		err := fmt.Errorf("handshake: %w", &legacytls.AlertError{Description: alert})
		if got := failureOf(err, true); got.Reason != want || got.Reason.Outcome() != record.OutcomeFailed {
			t.Errorf("alert %d: got %s, %s; want %s", alert, got.Reason.Outcome(), got.Reason, want)
		}
	}
	for silent, want := range map[bool]record.Reason{true: record.ReasonClientClosedAfterCert, false: record.ReasonClientClosed} {
		if got := failureOf(io.ErrUnexpectedEOF, silent).Reason; got != want {
			t.Errorf("closed, silent %v: got %s, want %s", silent, got, want)
		}
	}
	if got := failureOf(io.ErrShortBuffer, true).Reason; got != record.ReasonClientHandshakeFailed {
		t.Errorf("another error: got %s", got)
	}
}
