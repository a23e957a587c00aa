//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package deviceca

import (
	"errors"
	"io/fs"
	"os"
)

const lockName = "issued.lock"

// lock keeps other commands from changing the register, until unlock.
func lock(in *os.Root) (unlock func(), err error) {
	f, err := in.OpenFile(lockName, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, errors.New("another tlslift ca issue or revoke is at work; if none is, remove " + lockName + " there")
	}
	if err != nil {
		return nil, err
	}
	_ = f.Close() // nothing is written
	return func() { _ = in.Remove(lockName) }, nil
}
