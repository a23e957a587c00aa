// Package atomicfile writes small files so that a power cut or a full disk
// leaves either the whole new content or what was there before. It does not
// make directories, and does not lock: of two writers the later one wins.
package atomicfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Replace gives a file a new content, or makes it, with mode 0600. After an
// error, path has the content that it had before, and nothing is left beside it.
// The exception is an error of syncing the directory: then the new content is in
// place, but a power cut may still bring the one before back.
func Replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	if err := fill(f, data, 0o600); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", f.Name(), err), os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(dir)
}

// Create makes a file that must not exist yet. A caller that makes several calls
// SyncDir after the last one. After an error the file may be there in part.
func Create(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	return filled(f, err, data, mode)
}

// CreateIn is Create in a directory that is open: whoever may replace the directory or a
// part of its path meanwhile does not lead it to another one.
func CreateIn(dir *os.Root, name string, data []byte, mode fs.FileMode) error {
	f, err := dir.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	return filled(f, err, data, mode)
}

// filled fills a new file, unless it could not be opened.
func filled(f *os.File, err error, data []byte, mode fs.FileMode) error {
	if err != nil {
		return err
	}
	if err := fill(f, data, mode); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	return nil
}

// fill writes data to f, down to the disk, and closes f in any case.
func fill(f *os.File, data []byte, mode fs.FileMode) error {
	_, err := f.Write(data)
	// The umask does not apply here as it would on opening.
	err = cmp.Or(err, f.Chmod(mode), f.Sync())
	return cmp.Or(err, f.Close())
}

// SyncDir makes the names in dir survive a power cut, where the file system
// can do that for a directory.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // only synced
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
