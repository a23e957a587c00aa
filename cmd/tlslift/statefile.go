package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/atomicfile"
)

// maxStateFile bounds what is read of a state file: tlslift writes none that
// is longer.
const maxStateFile = 8 << 20

// A stateFile is a small file in the state directory that is replaced as a
// whole. A process that ends at any moment, or a power cut, leaves either what
// was there before or what was saved.
type stateFile struct{ path string }

// stateFileOf returns the state file of a name.
func stateFileOf(c *settings.Config, name string) stateFile {
	return stateFile{filepath.Join(c.StateDir, name)}
}

// Load returns the content. The error wraps fs.ErrNotExist if there is no such
// file.
func (s stateFile) Load() ([]byte, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxStateFile+1))
	if err == nil && len(text) > maxStateFile {
		err = fmt.Errorf("%s has more than %d bytes", s.path, maxStateFile)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}

// Save replaces the content. Only the owner may read the file.
func (s stateFile) Save(text []byte) error {
	if len(text) > maxStateFile {
		return fmt.Errorf("writing %s: more than %d bytes", s.path, maxStateFile)
	}
	return atomicfile.Replace(s.path, text)
}

// SetAside gives the file another name, under which nobody looks for it; what
// had that name before is gone.
func (s stateFile) SetAside() error { return os.Rename(s.path, s.path+".broken") }
