//go:build !linux

package successor

import (
	"errors"
	"os"
	"syscall"
)

// Signal asks for a hand-over; there is none here.
const Signal = syscall.Signal(-1)

// A Process is the next process of the service.
type Process struct{}

// Options say what is started.
type Options struct {
	Command []string
	Environ map[string]string
	Sockets []Socket
}

// A Socket is a listening socket, with a name.
type Socket struct {
	Name string
	Conn syscall.Conn
}

// Start fails here.
func Start(Options) (*Process, error) { return nil, errors.ErrUnsupported }

// PID returns no number.
func (*Process) PID() int { return os.Getpid() }

// AwaitReady fails here.
func (*Process) AwaitReady() error { return errors.ErrUnsupported }

// Abort does nothing.
func (*Process) Abort() {}

// HangUp does nothing.
func (*Process) HangUp() {}

// Send does nothing.
func (*Process) Send(Event) {}

// Close does nothing.
func (*Process) Close() int { return 0 }

// Of returns nil: no process is a successor here.
func Of(map[string]string) (*Predecessor, error) { return nil, nil }
