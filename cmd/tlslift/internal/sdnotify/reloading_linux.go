package sdnotify

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Reloading says that the service reads its configuration again, and since when; Ready
// ends it.
func Reloading() string {
	var now unix.Timespec
	// It fails for no clock that exists.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}
