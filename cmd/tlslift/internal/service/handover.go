package service

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/sdnotify"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/successor"
)

// A handover is a successor that is starting. A nil handover is none.
type handover struct {
	process *successor.Process
	done    chan error // gets nil when the successor is ready, or else why it will not be
}

// ended returns what gets the result; nil, which never gets one, without a hand-over.
func (h *handover) ended() <-chan error {
	if h == nil {
		return nil
	}
	return h.done
}

// abort ends a successor that is not ready yet. What ends here from now on is saved again.
func (l *life) abort(h *handover) {
	if h == nil {
		return
	}
	h.process.Abort()
	if err := <-h.done; err == nil { // it had become ready before
		h.process.Close()
	}
	l.thaw()
}

// thaw saves the list of clients as before the hand-over.
func (l *life) thaw() {
	if err := l.events.thaw(); err != nil {
		l.log.Error("the list of clients cannot be saved", "error", err.Error())
	}
}

// beginHandOver starts a successor; nil if that is not possible. Until it is ready, this
// process goes on as before.
func (l *life) beginHandOver() *handover {
	l.log.Info("handing over: starting the next process", "program", l.program())
	l.systemd.tell(sdnotify.Reloading())
	next, err := l.startSuccessor()
	if err != nil {
		l.endHandOver(err)
		return nil
	}
	h := &handover{process: next, done: make(chan error, 1)}
	go func() { h.done <- next.AwaitReady() }()
	return h
}

func (l *life) program() string {
	if len(l.options.Command) == 0 {
		return ""
	}
	return l.options.Command[0]
}

func (l *life) startSuccessor() (*successor.Process, error) {
	if os.Getpid() == 1 {
		return nil, errors.New("this is the first process of a container, which ends with it: start another container instead")
	}
	if l.options.Environ["INVOCATION_ID"] != "" && l.options.Environ["NOTIFY_SOCKET"] == "" {
		return nil, errors.New("systemd would take the end of this process for that of the service: use a unit with Type=notify")
	}
	environ, err := l.confined.environ(l.options.Environ)
	if err != nil {
		return nil, err
	}
	if err := l.events.freeze(); err != nil {
		return nil, fmt.Errorf("saving the list of clients: %w", settings.SystemError(err))
	}
	return successor.Start(successor.Options{Command: l.options.Command, Environ: environ, Sockets: l.opened.sockets()})
}

// endHandOver goes on as before, after a successor has failed.
func (l *life) endHandOver(err error) {
	l.log.Error("the next process has failed; this one goes on", "program", l.program(), "error", err.Error(),
		"remedy", "read the lines above that begin with tlslift:, and correct what they name; tlslift config --check finds the same mistakes, "+
			"but not that a file is in a directory that this process may not read: that needs a restart")
	l.thaw()
	l.systemd.tell(sdnotify.Ready, l.status())
}

// handOver makes a successor that is ready the service. From here on, systemd takes
// messages from that one only. A hang-up that came meanwhile is for that one too: it may
// have read its configuration before. The sign-ins of people that are
// renewed here are not stored any more: the successor stores its own.
func (l *life) handOver(h *handover, hungUp bool) {
	l.mailboxes.now.Load().Freeze()
	l.events.handOver(h.process)
	l.systemd.tell(sdnotify.MainPID(h.process.PID()), sdnotify.Ready)
	l.systemd.isOver.Store(true)
	l.admin.retire() // those of the successor answer
	l.public.retire()
	if hungUp {
		h.process.HangUp()
	}
	l.log.Info("handed over to the next process; open connections may end here", "pid", h.process.PID(),
		"drain_timeout", time.Duration(l.cfg.DrainTimeout).String())
}
