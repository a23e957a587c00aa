//go:build !linux

package inherited

import "net"

// open is for systemd, which runs on Linux only.
func open(int) (net.Listener, error) { return nil, errNoListener }
