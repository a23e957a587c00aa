//go:build !linux

package relay

import (
	"errors"
	"net"
)

// A patient reads without waiting. There is none on this system.
type patient struct{}

func patientOf(net.Conn) *patient { return nil }

// Read is not called.
func (*patient) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// wait is not called.
func (*patient) wait() {}
