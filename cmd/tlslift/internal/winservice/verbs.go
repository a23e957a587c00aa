package winservice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Help is what the command says of itself.
const Help = `Installs, starts and stops tlslift as a service of Windows, which runs without
anybody logged in and starts again after a failure. On other systems there is no
such service: on Linux, the packages bring a systemd unit.

The service has an account of its own, NT SERVICE\tlslift, without a password. What
belongs to it is in C:\ProgramData\tlslift, which only SYSTEM, Administrators and the
service can read:

  tlslift.env   the settings, which install writes if there are none; only
                administrators can change them
  state         the CA with its key, and what is known of the clients
  log           tlslift.log and four older files, of 10 MiB each at most

Warnings and errors are also in the event log: eventvwr.msc, Windows Logs,
Application, source tlslift. "tlslift service reload" has the service read its
settings again, as SIGHUP does on Linux; a stop lets open connections end for
TLSLIFT_DRAIN_TIMEOUT. All but status need an administrator.`

// Example is how the service is installed.
const Example = `  tlslift service install
  notepad C:\ProgramData\tlslift\tlslift.env
  tlslift service start
  tlslift service status`

// A Verb is a command for a service that is installed.
type Verb struct {
	Name, Short string
	Done        string // is said when it is
	Do          func(Manager, context.Context) error
}

// Verbs are the commands that need no settings.
func Verbs() []Verb {
	return []Verb{
		{"uninstall", "Stop and remove the service; its settings and its CA stay",
			"uninstalled; settings, CA and log are still there", Manager.Uninstall},
		{"start", "Start the service, and wait until it serves", "running", Manager.Start},
		{"stop", "Stop the service, and wait until open connections have ended", "stopped", Manager.Stop},
		{"reload", "Have the service read its settings again", "asked for; what came of it is in the log", Manager.reload},
	}
}

func (m Manager) reload(context.Context) error { return m.Reload() }

// ThisManager returns what controls the service on this system.
func ThisManager() (Manager, error) {
	system, err := ThisSystem()
	if err != nil {
		return Manager{}, err
	}
	place, err := ThisPlace()
	return Manager{System: system, Place: place}, err
}

// Args returns the arguments of the program when it is the service: the file that was
// given, or else that of the service, which may be missing.
func Args(envFile string, place Place) ([]string, error) {
	if envFile == "" {
		return []string{"serve", "--env-file", "-" + place.EnvFile()}, nil
	}
	path, mayBeMissing := strings.CutPrefix(envFile, "-")
	path, err := filepath.Abs(path) // the service runs in another directory
	if err != nil {
		return nil, err
	}
	if mayBeMissing {
		path = "-" + path
	}
	return []string{"serve", "--env-file", path}, nil
}

// Environ returns the environment that the service has, of that of who installs it: without
// settings.
func Environ(environ map[string]string) map[string]string {
	own := map[string]string{}
	for name, value := range environ {
		if !strings.HasPrefix(strings.ToUpper(name), "TLSLIFT_") {
			own[name] = value
		}
	}
	return own
}

// WriteSettings writes a file of settings for the service, unless there is one.
func (m Manager) WriteSettings(text string) error { return writeNew(m.Place.EnvFile(), text) }

// writeNew writes a file unless there is one.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// PrintStatus prints what the service does, and returns whether it runs.
func (m Manager) PrintStatus(w io.Writer) (runs bool, err error) {
	status, err := m.System.Query()
	if err != nil {
		return false, err
	}
	line := string(status.State)
	if status.PID != 0 {
		line += fmt.Sprintf(", process %d", status.PID)
	}
	if status.State == Stopped && status.ExitCode != 0 {
		line += fmt.Sprintf(", exit code %d; the reason is in %s", status.ExitCode, m.Place.LogFile())
	}
	_, err = fmt.Fprintln(w, line)
	return status.State == Running, err
}
