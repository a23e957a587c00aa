package proxy

import (
	"fmt"
	"io"
	"testing"

	"github.com/tlslift/tlslift/proxy/legacytls"
)

// What a client says to the certificate leads to different remedies.
func TestAlertsOfClients(t *testing.T) {
	t.Parallel()
	for alert, want := range map[uint8]Reason{
		48: ReasonClientUnknownCA, 42: ReasonClientBadCertificate, 43: ReasonClientCertUnsupported,
		44: ReasonClientCertRevoked, 45: ReasonClientCertExpired, 46: ReasonClientCertUnknown,
		40: ReasonClientParameters, 47: ReasonClientParameters, 70: ReasonClientParameters, 71: ReasonClientParameters,
		10: ReasonClientAlert, 20: ReasonClientAlert, 80: ReasonClientAlert, 255: ReasonClientAlert,
	} {
		err := fmt.Errorf("handshake: %w", &legacytls.AlertError{Description: alert})
		if got := clientFailure(err, true); got.reason != want || got.outcome != OutcomeFailed {
			t.Errorf("alert %d: got %s, %s; want %s", alert, got.outcome, got.reason, want)
		}
	}
	for silent, want := range map[bool]Reason{true: ReasonClientClosedAfterCert, false: ReasonClientClosed} {
		if got := clientFailure(io.ErrUnexpectedEOF, silent).reason; got != want {
			t.Errorf("closed, silent %v: got %s, want %s", silent, got, want)
		}
	}
	if got := clientFailure(io.ErrShortBuffer, true).reason; got != ReasonClientHandshakeFailed {
		t.Errorf("another error: got %s", got)
	}
}
