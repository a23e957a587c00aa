package upstream

import (
	"errors"
	"io"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

func TestFailureText(t *testing.T) {
	t.Parallel()
	to, err := newEndpoint("mail.example.com", 443)
	if err != nil {
		t.Fatal(err)
	}
	reset := func(error) record.Reason { return record.ReasonUpstreamRefused }
	err = failure(t.Context(), to, io.ErrClosedPipe, reset)
	if got, want := err.Error(), "upstream_connection_refused: reaching mail.example.com:443: io: read/write on closed pipe"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Error("the cause is not wrapped")
	}
}
