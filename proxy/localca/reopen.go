package localca

import (
	"fmt"
	"slices"
)

// Reopen reads the files of the CA again. It returns the CA itself if they have not
// changed, and makes none: a CA that was removed is an error.
func Reopen(ca *CA) (*CA, error) {
	again, err := loadAll(Options{
		Dir: ca.dir, Permitted: ca.needed, ListURL: ca.listURL, Log: ca.log, Now: ca.now, CacheSize: ca.leaves.size,
	}, ca)
	if err != nil {
		return nil, err
	}
	if again.isLike(ca) {
		return ca, nil
	}
	return again, nil
}

// isLike reports whether both have the same files.
func (ca *CA) isLike(other *CA) bool {
	sameFiles := func(a, b *CA) bool { return a.sums == b.sums }
	return slices.EqualFunc(ca.Each(), other.Each(), sameFiles)
}

// Check returns what is wrong with the CA of a directory; nil if it has none yet. It
// writes nothing.
func Check(dir string) error {
	o, err := Options{Dir: dir}.normalised()
	if err != nil {
		return err
	}
	empty, err := vacant(o.Dir)
	if err != nil {
		return fmt.Errorf("looking for a CA: %w", err)
	}
	if empty {
		return nil
	}
	if _, err := load(o, o.Now().Round(0)); err != nil {
		return fmt.Errorf("loading the CA: %w", err)
	}
	o.Dir = NewDir(o.Dir)
	if none, err := vacant(o.Dir); none || err != nil {
		return err
	}
	if _, err := load(o, o.Now().Round(0)); err != nil {
		return fmt.Errorf("loading the new CA: %w", err)
	}
	return nil
}
