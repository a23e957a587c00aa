// Package stateowner gives what a command has written as root into the state directory to
// the owner of that: a service that has a user of its own could not read it otherwise. It
// gives nothing else away.
package stateowner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// Check refuses, for root, a state directory that is not there: it would belong to root, and
// most often it is not that of the service.
func Check(c *settings.Config) error {
	_, err := os.Stat(c.StateDir)
	if os.Geteuid() == 0 && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%sSTATE_DIR: %s does not exist; give the settings of the service, for example with "+
			"--env-file /etc/tlslift/tlslift.env, and start the service once", settings.Prefix, c.StateDir)
	}
	return nil
}

// Share gives a directory in the state directory, and the files in it, to the owner of the
// state directory. It gives away what belongs to root only. For other users it does nothing.
func Share(c *settings.Config, name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	// The owner of the directory may put anything into it, also while this runs.
	root, err := os.OpenRoot(c.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%sSTATE_DIR: reading %s: %w", settings.Prefix, c.StateDir, settings.SystemError(err))
	}
	err = share(root, name)
	_ = root.Close() // it was only looked at
	if err != nil {
		return fmt.Errorf("giving %s to the owner of %s: %w", filepath.Join(c.StateDir, name), c.StateDir, err)
	}
	return nil
}

// share gives the directory and its files to the owner of root.
func share(root *os.Root, name string) error {
	above, err := root.Stat(".")
	if err != nil {
		return err
	}
	to, known := ownerOf(above)
	if !known || to.isRoot() {
		return nil
	}
	in, err := root.OpenRoot(name)
	if err != nil {
		return absent(err)
	}
	defer func() { _ = in.Close() }() // it was only looked at
	dir, err := in.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close() // nothing is written
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	of, _ := ownerOf(info)
	switch {
	case of.isRoot():
		err = giveFiles(in, dir, to)
	case of.user == to.user:
		if some, err := hasRoots(in, dir); err != nil || !some {
			return err
		}
		// Nobody else may exchange files while they are looked at. The service cannot
		// write for that moment.
		if err = errors.Join(dir.Chown(0, of.group), dir.Chmod(0o700)); err == nil {
			err = giveFiles(in, dir, to)
		}
		err = errors.Join(err, dir.Chmod(info.Mode().Perm()))
	default:
		return nil
	}
	return errors.Join(err, dir.Chown(to.user, to.group))
}

// hasRoots reports whether something in a directory belongs to root.
func hasRoots(in *os.Root, dir *os.File) (bool, error) {
	names, err := namesIn(dir)
	for _, name := range names {
		if info, err := in.Lstat(name); err == nil && isRoots(info) {
			return true, nil
		}
	}
	return false, err
}

// giveFiles gives away what is in a directory and belongs to root, who alone can change the
// directory meanwhile.
func giveFiles(in *os.Root, dir *os.File, to owner) error {
	names, err := namesIn(dir)
	for _, name := range names {
		err = errors.Join(err, giveAway(in, name, to))
	}
	return err
}

// namesIn returns what is in a directory now.
func namesIn(dir *os.File) ([]string, error) {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return dir.Readdirnames(-1)
}

// giveAway changes the owner of a file or directory that belongs to root. Other names of
// a file, and what is neither, are left alone: somebody else made them.
func giveAway(in *os.Root, name string, to owner) error {
	info, err := in.Lstat(name)
	if err != nil || !isRoots(info) {
		return absent(err)
	}
	f, err := in.OpenFile(name, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return absent(err)
	}
	defer f.Close() // nothing is written
	// What is open is what is looked at.
	if info, err = f.Stat(); err != nil || !isRoots(info) {
		return err
	}
	return f.Chown(to.user, to.group)
}

// absent returns an error, unless it is that of a file that is not there any more.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isRoots reports whether something is a directory of root, or a file of root with one name.
func isRoots(info fs.FileInfo) bool {
	from, known := ownerOf(info)
	return known && from.isRoot() && (info.IsDir() || info.Mode().IsRegular() && from.links == 1)
}

// An owner is whom a file belongs to.
type owner struct {
	user, group int
	links       uint64 // names of the file
}

func (o owner) isRoot() bool { return o.user == 0 }
