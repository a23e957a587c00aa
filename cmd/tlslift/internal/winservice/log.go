package winservice

import (
	"errors"
	"os"
	"runtime/debug"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	// maxLogFile and oldLogFiles bound the log: it has at most 50 MiB.
	maxLogFile  = 10 << 20
	oldLogFiles = 4
)

// A serviceLog is the log of the service: a file, with warnings and errors also in the log of
// Windows.
type serviceLog struct {
	*logging.Writer

	file   *logging.File
	events *logging.Writer // nil if there is no log of Windows
}

// newLog opens a log; events may be nil.
func newLog(path string, events eventLog) serviceLog {
	file := &logging.File{Path: path, Max: maxLogFile, Old: oldLogFiles}
	l := serviceLog{Writer: logging.NewWriter(file), file: file}
	if events != nil {
		l.events = logging.NewWriter(newEventWriter(events))
		l.CopyWarnings(l.events)
	}
	return l
}

// keepCrash has the runtime write to a file why it has crashed, since nobody reads its standard
// error. What an earlier crash has left there goes to a second file.
func keepCrash(path string) error {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		if err := os.Rename(path, path+".1"); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(debug.SetCrashOutput(file, debug.CrashOptions{}), file.Close())
}

// failed logs why the service has ended, in a line for each of what is wrong.
func (l serviceLog) failed(err error, code uint32) {
	log, _ := logging.New(l.Writer, logging.Options{JSON: true})
	for line := range strings.Lines(netname.Lines(err.Error())) {
		log.Error("the service has failed", "error", strings.TrimSuffix(line, "\n"), "exit_code", code)
	}
}

// close writes what is pending, for at most a second each.
func (l serviceLog) close() {
	if l.Close() {
		_ = l.file.Close() // the goroutine that writes to it has ended
	}
	if l.events != nil {
		l.events.Close()
	}
}
