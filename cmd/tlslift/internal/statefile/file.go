// Package statefile keeps what tlslift remembers between runs: small files in the
// state directory that are replaced as a whole. It keeps no key: those are
// localca's.
package statefile

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/atomicfile"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// maxSize bounds what is read of a state file: tlslift writes none that is longer.
const maxSize = 8 << 20

// A File is a small file in the state directory that is replaced as a whole. A
// process that ends at any moment, or a power cut, leaves either what was there
// before or what was saved.
type File struct{ path string }

// Clients returns the file of the inventory of clients.
func Clients(c *settings.Config) File { return File{filepath.Join(c.StateDir, "clients.json")} }

// Endpoints returns the file of the list of Microsoft 365 endpoints.
func Endpoints(c *settings.Config) File {
	return File{filepath.Join(c.StateDir, "endpoints-"+c.Instance.String()+".json")}
}

// Load returns the content. The error wraps fs.ErrNotExist if there is no such
// file.
func (f File) Load() ([]byte, error) {
	return secretfile.ReadState(f.path, maxSize)
}

// Save replaces the content. Only the owner may read the file.
func (f File) Save(text []byte) error {
	if len(text) > maxSize {
		return fmt.Errorf("writing %s: more than %d bytes", f.path, maxSize)
	}
	return atomicfile.Replace(f.path, text)
}

// SetAside gives the file another name, under which nobody looks for it; what
// had that name before is gone.
func (f File) SetAside() error { return os.Rename(f.path, f.path+".broken") }
