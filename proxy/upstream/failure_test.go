package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
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

// A lack of open files is a reason of its own: the destination has nothing to do with it.
func TestLackOfFiles(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)},
		&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.ENFILE)},
		&net.DNSError{Err: "dial udp 192.0.2.53:53: socket: " + syscall.EMFILE.Error(), Name: "mail.example.com"},
	} {
		if got := dialReason(fmt.Errorf("dialling: %w", err)); got != record.ReasonTooManyOpenFiles {
			t.Errorf("%v is %s", err, got)
		}
	}
	if got := dialReason(&net.DNSError{Err: "server misbehaving"}); got != record.ReasonDNSFailed {
		t.Errorf("another error of a look-up is %s", got)
	}
}
