// Package winservice makes tlslift a service of Windows: it installs, starts and stops the
// service, and is the service's side of what the service manager asks for.
//
// It gives the service an account of its own, which has no password and no other rights, and
// writes no log without a limit. What only Windows has is in system_windows.go; the rest
// runs, and is tested, everywhere.
package winservice

import (
	"errors"
	"time"
)

// Name is the name of the service, of the source of its events, and of its account.
const Name = "tlslift"

// ErrUnsupported is the error of all that only Windows has.
var ErrUnsupported = errors.New("this system has no Windows services; on Linux, the packages bring a systemd unit, " +
	"and `systemctl start tlslift` starts it")

// A State is what a service does.
type State string

// The states of a service.
const (
	Starting     State = "starting"
	Running      State = "running"
	Stopping     State = "stopping"
	Stopped      State = "stopped"
	NotInstalled State = "not installed"
)

// A Command is what the service manager asks a service for.
type Command string

// The commands. Windows has more, which nobody sends here.
const (
	Interrogate Command = "interrogate"
	Stop        Command = "stop"
	Shutdown    Command = "shutdown" // of the machine
	Reload      Command = "reload"   // paramchange
)

// A Status is what a service reports to the service manager, which shows it to others.
type Status struct {
	State State
	// CheckPoint grows while the service makes progress with a start or a stop.
	CheckPoint uint32
	// WaitHint is how long that may take from one CheckPoint to the next.
	WaitHint time.Duration
	// ExitCode is that of a service that has stopped; 0 if it has not failed.
	ExitCode uint32
	// PID is the number of its process; 0 if there is none.
	PID uint32
}
