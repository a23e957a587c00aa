package localca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tlslift/tlslift/proxy/atomicfile"
)

// During a rotation there are two CAs: the old one stays in its directory, and the new one
// is beside it. Each step is one rename of a whole directory, so that a crash leaves either
// what was before or what comes after.
const (
	newSuffix  = ".new"
	goneSuffix = ".removed" // what is being removed
)

// ErrRotating means that there is a new CA already.
var ErrRotating = errors.New("a rotation is under way already")

// ErrNotRotating means that there is no new CA.
var ErrNotRotating = errors.New("no rotation is under way")

// NewDir returns where the new CA of a rotation is.
func NewDir(dir string) string { return dir + newSuffix }

// StartRotation makes a new CA beside that of o.Dir, which has to be there. Both are in use
// after the next Open or Reopen.
func StartRotation(o Options) error {
	o, err := o.rotatable()
	if err != nil {
		return err
	}
	o.Dir = NewDir(o.Dir)
	certPEM, keyPEM, err := generate(o)
	if err != nil {
		return err
	}
	return o.putNew(certPEM, keyPEM)
}

// rotatable returns o, normalised, if there is a CA beside which a new one can be put.
func (o Options) rotatable() (Options, error) {
	o, err := o.normalised()
	if err != nil {
		return o, err
	}
	if _, err := load(o, o.Now()); err != nil {
		return o, fmt.Errorf("loading the CA: %w", err)
	}
	if empty, err := vacant(NewDir(o.Dir)); err != nil {
		return o, fmt.Errorf("looking for a new CA: %w", err)
	} else if !empty {
		return o, ErrRotating
	}
	return o, nil
}

// putNew puts a CA into o.Dir, where there is none.
func (o Options) putNew(certPEM, keyPEM []byte) error {
	placed, err := createFrom(o, certPEM, keyPEM)
	switch {
	case err != nil:
		return fmt.Errorf("making a CA in %s: %w", o.Dir, err)
	case !placed:
		return ErrRotating
	}
	return nil
}

// FinishRotation puts the new CA into the place of the old one, whose key is removed. Called
// again after a crash, it goes on where it was. It is ErrNotRotating if there is nothing to
// finish.
func FinishRotation(o Options) error {
	o, err := o.normalised()
	if err != nil {
		return err
	}
	dir := o.Dir
	left, err := exists(dir + goneSuffix) // of one that was interrupted
	if err != nil {
		return err
	}
	none, err := vacant(NewDir(dir))
	switch {
	case err != nil:
		return err
	case none && !left:
		return ErrNotRotating
	case none:
		return removeGone(dir)
	}
	// Never give up the old one for a new one that cannot be loaded.
	o.Dir = NewDir(dir)
	if _, err := load(o, o.Now().Round(0)); err != nil {
		return fmt.Errorf("loading the new CA: %w", err)
	}
	old, err := exists(dir)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(dir); err == nil && info.Mode()&os.ModeSymlink != 0 {
		return fmt.Errorf("%s is a symbolic link, and its target would keep the old key; replace it by hand with %s", dir, NewDir(dir))
	}
	if old {
		if err := removeGone(dir); err != nil {
			return err
		}
		if err := os.Rename(dir, dir+goneSuffix); err != nil {
			return err
		}
	}
	if err := resumeRotation(dir); err != nil {
		return err
	}
	return removeGone(dir)
}

// CancelRotation removes the new CA. It is ErrNotRotating if there is none.
func CancelRotation(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if none, err := vacant(NewDir(dir)); err != nil {
		return err
	} else if none {
		return ErrNotRotating
	}
	if old, err := exists(dir); err != nil {
		return err
	} else if !old {
		return fmt.Errorf("%s is the only CA: the rotation was finished, and interrupted; finish it again", NewDir(dir))
	}
	if err := removeGone(dir); err != nil {
		return err
	}
	if err := os.Rename(NewDir(dir), dir+goneSuffix); err != nil {
		return err
	}
	return removeGone(dir)
}

// resumeRotation puts the new CA of an absent dir there, if there is one: who finished the
// rotation was interrupted between two renames.
func resumeRotation(dir string) error {
	if none, err := vacant(NewDir(dir)); none || err != nil {
		return err
	}
	if _, err := place(NewDir(dir), dir); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(dir))
}

// RemoveLeft removes what the end of a rotation has put aside and not removed, because it was
// interrupted, and reports whether there was something. It is kept while there is no CA in dir.
func RemoveLeft(dir string) (bool, error) {
	if _, err := os.Lstat(dir + goneSuffix); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	if here, err := exists(dir); !here || err != nil {
		return false, err
	}
	return true, removeGone(dir)
}

// removeGone removes a CA that has been put aside.
func removeGone(dir string) error {
	if err := os.RemoveAll(dir + goneSuffix); err != nil {
		return fmt.Errorf("removing a CA that is not used any more: %w", err)
	}
	return atomicfile.SyncDir(filepath.Dir(dir))
}

// exists reports whether there is something in a directory.
func exists(dir string) (bool, error) {
	empty, err := vacant(dir)
	return !empty, err
}
