// Package secretfile reads files that hold keys or state. It looks at the file that it
// has opened, not at its name, and never waits for one that is no regular file.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// othersMayUse are the permissions that no file with a secret has. The group may
// read, because Kubernetes mounts secrets so.
const othersMayUse fs.FileMode = 0o037

// An AccessError says that others can read or change a file, and what to do.
type AccessError struct{ text string }

func (e *AccessError) Error() string { return e.text }

// ReadKey returns the content of a file with a key, of at most so many bytes. Only
// its owner may write to it, who is root or the user that runs tlslift, and only the
// owner and the group may read it.
func ReadKey(path string, most int64) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	if err := Check(f); err != nil {
		return nil, err
	}
	return readAll(f, path, most)
}

// Check looks at the owner and the mode of an open file as ReadKey does.
func Check(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return checkOwner(f.Name(), info)
}

// Read returns the content of a file without a secret, of at most so many bytes.
func Read(path string, most int64) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	return readAll(f, path, most)
}

func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

func readAll(f *os.File, path string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}
