package logging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A File is an io.Writer to a log file of bounded size, for systems where nobody else keeps
// the log. When the file is full, it is renamed to NAME.1, that to NAME.2, and so on; the
// oldest is removed. It is for one goroutine, that of a Writer.
type File struct {
	Path string
	// Max is how many bytes a file may have. One call of Write is never divided, so a file
	// may have more if it has nothing else.
	Max int64
	// Old is how many full files are kept.
	Old int

	file *os.File
	size int64
}

// Write appends whole lines, to a new file if they do not fit into this one.
func (f *File) Write(lines []byte) (int, error) {
	if err := f.open(); err != nil {
		return 0, err
	}
	if f.size > 0 && f.size+int64(len(lines)) > f.Max {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	if err != nil {
		_ = f.Close() // the next lines may find a file that can be written
	}
	return n, err
}

// Close closes the file. The next Write opens it again.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

func (f *File) open() error {
	if f.file != nil {
		return nil
	}
	file, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.size = file, info.Size()
	return nil
}

// rotate begins a new file. A full one that cannot be renamed is emptied: on Windows a
// program that shows it may forbid to rename it, and the log must not grow without limit.
func (f *File) rotate() error {
	if err := f.Close(); err != nil {
		return err
	}
	if err := f.shift(); err != nil {
		if err := os.Truncate(f.Path, 0); err != nil {
			return fmt.Errorf("beginning a new log file: %w", err)
		}
	}
	return f.open()
}

// shift gives each file the name of the next older one.
func (f *File) shift() error {
	for i := f.Old; i > 0; i-- {
		if err := os.Rename(f.name(i-1), f.name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if f.Old == 0 {
		return os.Remove(f.Path)
	}
	return nil
}

// name returns the path of a file that is the i-th newest.
func (f *File) name(i int) string {
	if i == 0 {
		return f.Path
	}
	return fmt.Sprintf("%s.%d", f.Path, i)
}
