package localca

import (
	"fmt"
)

// Reopen reads the files of the CA again. It returns the CA itself if they have not
// changed, and makes none: a CA that was removed is an error.
func Reopen(ca *CA) (*CA, error) {
	now := ca.clock()
	a, err := load(ca.dir, now)
	if err != nil {
		return nil, fmt.Errorf("loading the CA: %w", err)
	}
	if a.sums == ca.sums {
		return ca, nil
	}
	next := &CA{authority: a, dir: ca.dir, now: ca.now, leaves: newCache(ca.leaves.size), keys: newKeys()}
	if err := next.keys[rsaBits].change(now); err != nil {
		return nil, fmt.Errorf("making the key of the leaves: %w", err)
	}
	return next, nil
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
	if _, err := load(o.Dir, o.Now().Round(0)); err != nil {
		return fmt.Errorf("loading the CA: %w", err)
	}
	return nil
}
