// Package coredumps keeps secrets out of core files.
//
// It ends nothing and catches no signal: how a process dies is as before.
package coredumps

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Disable keeps the CA's private key, passwords and tokens out of core files:
// Go writes one when GOTRACEBACK=crash is set, and a debugger or a signal can ask for
// one. The limit of a core's size is not enforced for a program that gets it through a
// pipe (core(5)), as that of systemd does, so that the process is not dumpable either;
// then another process of its user cannot read its memory. A system that does not allow
// it is no worse off than before.
func Disable() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
