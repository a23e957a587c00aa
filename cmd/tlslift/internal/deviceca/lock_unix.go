//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package deviceca

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// Another command changes the register for a moment only.
const (
	lockWait  = 10 * time.Second
	lockPause = 20 * time.Millisecond
)

// lock keeps other commands from changing the register, until unlock. A process that ends
// leaves no lock.
func lock(in *os.Root) (unlock func(), err error) {
	dir, err := in.Open(".")
	if err != nil {
		return nil, err
	}
	again, end := time.NewTicker(lockPause), time.NewTimer(lockWait)
	defer again.Stop()
	defer end.Stop()
	for {
		err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = dir.Close() }, nil // which unlocks it
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			select {
			case <-again.C:
				continue
			case <-end.C:
				err = errors.New("another tlslift ca issue or revoke is at work and does not end")
			}
		}
		_ = dir.Close() // nothing is written
		return nil, err
	}
}
