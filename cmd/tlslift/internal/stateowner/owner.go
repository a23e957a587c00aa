// Package stateowner gives what a command has written as root into the state directory to
// the owner of that: a service that has a user of its own could not read it otherwise. It
// gives nothing else away.
package stateowner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

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
	dir, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close() // only read from
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return err
	}
	// The directory comes last: until then its owner can add nothing to it.
	for _, e := range entries {
		if err := giveAway(root, filepath.Join(name, e.Name()), to); err != nil {
			return err
		}
	}
	return giveAway(root, name, to)
}

// giveAway changes the owner of a file or directory that belongs to root. Other names of
// a file, and what is neither, are left alone: somebody else made them.
func giveAway(root *os.Root, name string, to owner) error {
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !isRoots(info) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return absent(err)
	}
	defer f.Close() // nothing is written
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	// Its name may have been that of a file elsewhere for a moment. One that has this name
	// after it was opened, and no other, is nowhere else.
	info, err = root.Lstat(name)
	if err != nil || !os.SameFile(info, opened) || !isRoots(info) {
		return absent(err)
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
