package upstream

import "syscall"

// Winsock's numbers. What package syscall calls ECONNREFUSED and the like
// are inventions that no system call returns on Windows.
const (
	errConnectionRefused = syscall.Errno(10061) // WSAECONNREFUSED
	errTimedOut          = syscall.Errno(10060) // WSAETIMEDOUT
	errNoRoute           = syscall.Errno(10051) // WSAENETUNREACH
	errNoAddress         = syscall.Errno(10049) // WSAEADDRNOTAVAIL
)
