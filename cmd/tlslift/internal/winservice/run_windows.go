package winservice

import (
	"log/slog"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
)

// Run runs the service under the service manager, with a log of its own, until it has ended.
// code returns the exit code of an error of run, which is written to the log. The error of Run
// is that of the service manager.
func Run(p Place, run func(Control, *logging.Writer) error, code func(error) int) error {
	return svc.Run(Name, handler{p, run, code})
}

// A handler is a svc.Handler.
type handler struct {
	place Place
	run   func(Control, *logging.Writer) error
	code  func(error) int
}

var commandOf = map[svc.Cmd]Command{
	svc.Interrogate: Interrogate, svc.Stop: Stop, svc.Shutdown: Shutdown, svc.PreShutdown: Shutdown, svc.ParamChange: Reload,
}

var stateFor = map[State]svc.State{
	Starting: svc.StartPending, Running: svc.Running, Stopping: svc.StopPending,
}

// Execute implements svc.Handler.
func (h handler) Execute(_ []string, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) (isSpecific bool, exitCode uint32) {
	var events eventLog
	if source, err := eventlog.Open(Name); err == nil {
		defer source.Close() //nolint:errcheck // the process ends
		events = source
	}
	log := newLog(h.place.LogFile(), events)
	defer log.close()
	if err := keepCrash(h.place.CrashFile()); err != nil {
		slog.New(slog.NewTextHandler(log, nil)).Warn("the reason of a crash will not be known", "error", err.Error())
	}
	commands, ended := make(chan Command), make(chan struct{})
	translated := make(chan struct{})
	go func() {
		defer close(translated)
		translate(requests, commands, ended)
	}()
	err := control(commands, func(s Status) { changes <- statusFor(s) }, func(c Control) error { return h.run(c, log.Writer) })
	close(ended)
	<-translated
	if err == nil {
		return false, 0
	}
	exitCode = uint32(h.code(err)) //nolint:gosec // it is small
	log.failed(err, exitCode)
	return true, exitCode
}

// translate passes on what the service manager asks for, until the service has ended.
func translate(requests <-chan svc.ChangeRequest, commands chan<- Command, ended <-chan struct{}) {
	for {
		select {
		case r := <-requests:
			select {
			case commands <- commandOf[r.Cmd]:
			case <-ended:
				return
			}
		case <-ended:
			return
		}
	}
}

// statusFor returns a status in the form of the service manager. Only a service that runs
// takes commands.
func statusFor(s Status) svc.Status {
	status := svc.Status{State: stateFor[s.State], CheckPoint: s.CheckPoint, WaitHint: uint32(s.WaitHint.Milliseconds())} //nolint:gosec // seconds
	if s.State == Running {
		status.Accepts = svc.AcceptStop | svc.AcceptPreShutdown | svc.AcceptParamChange
	}
	return status
}
