//go:build !linux

package origdst

import "net"

// MakeTransparent fails here.
func MakeTransparent(net.Listener) error { return ErrUnsupported }
