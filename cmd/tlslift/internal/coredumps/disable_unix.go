//go:build unix && !linux

package coredumps

import "syscall"

// Disable keeps the CA's private key and passwords out of core files: Go
// writes one when GOTRACEBACK=crash is set, and a debugger or a signal can ask for one.
// A system that does not allow it is no worse off than before.
func Disable() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}
