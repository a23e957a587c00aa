//go:build !linux

package origdst

import (
	"net"
	"net/netip"
	"syscall"
)

// Redirected is of Linux.
func Redirected(*net.TCPConn) (netip.AddrPort, error) { return netip.AddrPort{}, ErrUnsupported }

// Listen is of Linux.
func Listen(bool) (*net.ListenConfig, error) { return nil, ErrUnsupported }

// Mark is of Linux.
func Mark(syscall.RawConn, uint32) error { return ErrUnsupported }

// CanMark is of Linux.
func CanMark(uint32) error { return ErrUnsupported }
