// Package secretfile reads the files of an operator and those in the state directory. It
// looks at the file that it has opened, not at its name, reads no more than it is told,
// and never waits for a file that is no regular one.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	// othersMayUse are the permissions that no file with a secret has. The group may read,
	// because Kubernetes mounts secrets so.
	othersMayUse fs.FileMode = 0o037
	// groupMayUse are those that a file has not which only tlslift itself uses.
	groupMayUse fs.FileMode = 0o077
	// othersMayWrite are those that no file has whose content decides what is trusted.
	othersMayWrite fs.FileMode = 0o022
	// pipeWait is how long a pipe may take.
	pipeWait = 10 * time.Second
)

// An AccessError says that others can read or change a file, and what to do.
type AccessError struct {
	path, problem, command string
}

func (e *AccessError) Error() string {
	return fmt.Sprintf("%s %s; run: %s %s", e.path, e.problem, e.command, e.path)
}

// A FileError says what is wrong with a file that is there.
type FileError struct{ path, problem string }

func (e *FileError) Error() string { return e.path + " " + e.problem }

// WithoutPath returns the error of a file without its path, for messages that name the file
// already or must not.
func WithoutPath(err error) error {
	var access *AccessError
	var file *FileError
	var system *fs.PathError
	switch {
	case errors.As(err, &access):
		return errors.New(access.problem + "; run " + access.command + " on it")
	case errors.As(err, &file):
		return errors.New(file.problem)
	case errors.As(err, &system):
		return system.Err
	}
	return err
}

// Read returns the content of a file without a secret, of at most so many bytes.
func Read(path string, most int64) ([]byte, error) {
	return read(path, most, func(string, fs.FileInfo) error { return nil })
}

// ReadTrusted returns the content of a file that is no secret, but decides what is trusted:
// only its owner may write to it, who is root or the user that runs tlslift.
func ReadTrusted(path string, most int64) ([]byte, error) {
	return read(path, most, func(path string, info fs.FileInfo) error { return checkOwner(path, info, othersMayWrite) })
}

// ReadKey returns the content of a file with a key. Only its owner may write to it, who is
// root or the user that runs tlslift, and only the owner and the group may read it.
func ReadKey(path string, most int64) ([]byte, error) {
	return read(path, most, func(path string, info fs.FileInfo) error { return checkOwner(path, info, othersMayUse) })
}

// ReadState returns the content of a file in the state directory that others must not be
// able to change. Its owner is not looked at, as CheckDirectory has looked at that of the
// directory: root, too, reads the state of a service that has a user of its own.
func ReadState(path string, most int64) ([]byte, error) {
	return read(path, most, func(path string, info fs.FileInfo) error { return checkMode(path, info, othersMayWrite) })
}

// ReadPrivate is ReadState for a file that only its owner may read.
func ReadPrivate(path string, most int64) ([]byte, error) {
	return read(path, most, func(path string, info fs.FileInfo) error { return checkMode(path, info, groupMayUse) })
}

// ReadOnce returns the content of a file that is not read again, which may therefore be a
// pipe, as that of the process substitution of a shell, if its writer is quick. If isSecret
// says so of the content, a regular file is held to the rules of ReadKey; a pipe is the
// caller's own.
func ReadOnce(path string, most int64, isSecret func(text []byte) bool) ([]byte, error) {
	f, info, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	isPipe := info.Mode()&fs.ModeNamedPipe != 0
	if !isPipe && !info.Mode().IsRegular() {
		return nil, irregular(path, info.Mode())
	}
	if isPipe {
		if err := f.SetReadDeadline(time.Now().Add(pipeWait)); err != nil {
			return nil, &FileError{path, "is a pipe, which cannot be read with a time limit here"}
		}
	}
	text, err := readAll(f, path, most)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &FileError{path, fmt.Sprintf("is a pipe whose writer does not end within %s", pipeWait)}
	case err != nil:
		return nil, err
	case isPipe && len(text) == 0:
		return nil, &FileError{path, "is a pipe to which nobody writes"}
	case !isPipe && isSecret(text):
		return text, checkOwner(path, info, othersMayUse)
	}
	return text, nil
}

// CheckDirectory returns why others could replace what is in a directory. It looks at the
// one that it opens. The group may write if it is one of this process, and all may write
// if the sticky bit leaves them only what is their own, as with volumes of Kubernetes.
func CheckDirectory(path string) error {
	f, info, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close() // only looked at
	if !info.IsDir() {
		return &FileError{path, "is not a directory"}
	}
	forbidden := othersMayWrite
	switch {
	case info.Mode()&fs.ModeSticky != 0:
		forbidden = 0
	case isOwnGroup(info):
		forbidden &^= 0o020
	}
	return checkOwner(path, info, forbidden)
}

func read(path string, most int64, check func(string, fs.FileInfo) error) ([]byte, error) {
	f, info, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	if !info.Mode().IsRegular() {
		return nil, irregular(path, info.Mode())
	}
	if err := check(path, info); err != nil {
		return nil, err
	}
	return readAll(f, path, most)
}

// open never waits for who writes to a FIFO.
func open(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlock, 0)
	if errors.Is(err, errNoDevice) {
		return nil, nil, irregular(path, fs.ModeSocket)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, nil, err
	}
	return f, info, nil
}

// irregular returns the error of what is no file.
func irregular(path string, mode fs.FileMode) error {
	what := "a device"
	switch {
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe (FIFO)"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	}
	return &FileError{path, fmt.Sprintf("is %s and not a regular file", what)}
}

func readAll(f *os.File, path string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = &FileError{path, fmt.Sprintf("has more than %d bytes", most)}
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}
