//go:build !windows

package upstream

import "syscall"

const (
	errConnectionRefused = syscall.ECONNREFUSED
	errTimedOut          = syscall.ETIMEDOUT
	errNoRoute           = syscall.ENETUNREACH
	errNoAddress         = syscall.EADDRNOTAVAIL
)
