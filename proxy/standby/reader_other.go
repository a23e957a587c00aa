//go:build !linux

package standby

import (
	"errors"
	"net"
)

// A Reader reads without waiting. There is none on this system.
type Reader struct{}

// NewReader returns nil.
func NewReader(*net.TCPConn) *Reader { return nil }

// Read is not called.
func (*Reader) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Wait is not called.
func (*Reader) Wait() {}
