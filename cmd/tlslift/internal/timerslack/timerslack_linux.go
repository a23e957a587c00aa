// Package timerslack lets the kernel wake sleeping threads of Go's runtime a millisecond
// late, which saves a tenth of the processor time of a tlslift that is not fully busy.
//
// One thread of the runtime sleeps 20 microseconds at a time for some milliseconds whenever
// something was done, and wakes up for nothing; so do threads that look for work. The kernel
// may put such wake-ups off by the timer slack of the thread, which is 50 microseconds unless
// somebody has set it. The timers of a Go program are no more exact than a millisecond
// while it waits for the network.
//
// A thread has the timer slack of the one that has started it, and the runtime has started
// its threads before the program can set anything. So the program sets it and executes
// itself again: it stays the same process. A thread that waits for the network is woken by
// that as before.
package timerslack

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// slack is how late a thread may wake up. With more, a processor that looks for work can be
// of no use for so long that established sessions wait.
const slack = time.Millisecond

// marker is an environment variable of a program that was executed again, so that it is
// done once, whatever the kernel makes of it.
const marker = "_TLSLIFT_TIMER_SLACK"

// Raise executes the program again with a large timer slack. It returns if there is nothing
// to do, as when the service manager has set it, or if it cannot be done: the program then
// goes on as it is.
func Raise() {
	if current() >= slack || os.Getenv(marker) != "" {
		return
	}
	path, err := os.Executable()
	if err != nil || !isSelf(path) {
		return
	}
	runtime.LockOSThread() // what it executes gets the slack of this thread
	defer runtime.UnlockOSThread()
	if unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0) != nil {
		return
	}
	environ := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, marker+"=") })
	_ = syscall.Exec(path, os.Args, append(environ, marker+"=1")) //nolint:gosec // this program; without it, it goes on
}

// current returns the timer slack of this thread; that of real-time threads is zero, and
// large enough where it is not known.
func current() time.Duration {
	n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return slack
	}
	return time.Duration(n)
}

// isSelf reports whether a file is still this program: it may have been replaced.
func isSelf(path string) bool {
	file, err := os.Stat(path)
	self, selfErr := os.Stat("/proc/self/exe")
	return err == nil && selfErr == nil && os.SameFile(file, self)
}
