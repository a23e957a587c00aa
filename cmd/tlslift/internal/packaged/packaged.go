// Package packaged finds the settings of the service that a package has installed, for
// commands that a person types at a shell: the service manager gives them to the service
// only.
//
// It reads no setting itself, and it trusts no file that another user can change.
package packaged

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// Machine is where the packages put things. Its zero value has nothing.
type Machine struct {
	// EnvFile is the file with settings.
	EnvFile string
	// StateDir is the state directory of the service.
	StateDir string
}

// Linux is what the packages of this project install.
var Linux = Machine{EnvFile: "/etc/tlslift/tlslift.env", StateDir: "/var/lib/tlslift"}

// maxEnvFile is what a file of settings may have at most.
const maxEnvFile = 1 << 20

// Found is what there is of a packaged machine. Its zero value means that there is nothing,
// or that the command has settings of its own.
type Found struct {
	// EnvFile is the file to read; empty means none.
	EnvFile string
	// StateDir is the state directory of the service, unless a setting names another one;
	// empty means that it is not there.
	StateDir string
	// Unread is why a file that exists is not read; nil if it is, or if there is none.
	Unread error
}

// Find looks for the settings, unless the environment has any.
func (m Machine) Find(environ map[string]string) Found {
	if m.EnvFile == "" || hasSettings(environ) {
		return Found{}
	}
	// Only root and the user himself decide what a command of his does.
	_, err := secretfile.ReadTrusted(m.EnvFile, maxEnvFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Found{}
	case err != nil:
		return Found{Unread: fmt.Errorf("the settings of the service were not read: %s %w; "+
			"run the command as root, or name the file with --env-file", m.EnvFile, secretfile.WithoutPath(err))}
	}
	found := Found{EnvFile: m.EnvFile}
	// systemd makes it a link to where only root may look: that it is there is all to know here.
	if _, err := os.Lstat(m.StateDir); err == nil {
		found.StateDir = m.StateDir
	}
	return found
}

// hasSettings reports whether there is a variable of ours.
func hasSettings(environ map[string]string) bool {
	for name := range environ {
		if strings.HasPrefix(strings.ToUpper(name), settings.Prefix) {
			return true
		}
	}
	return false
}
