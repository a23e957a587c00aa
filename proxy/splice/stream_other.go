//go:build !linux

package splice

import (
	"errors"
	"net"
	"sync/atomic"
)

// A Stream is the bytes that go from one TCP connection to another. Only Linux moves them
// inside the kernel.
type Stream struct {
	Dst, Src *net.TCPConn
	Moved    *atomic.Int64
	Look     func(p []byte) (more bool, err error)
}

// Move is not called.
func (*Stream) Move() (write bool, err error) { return false, errors.ErrUnsupported }
