package yamlfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// A problem is one thing that is wrong with a file.
type problem struct {
	line, column int
	text         string // one line, with the remedy
}

func (p problem) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", p.line, p.column, p.text)
}

type problems []problem

// asError returns the problems in the order of the file, one in each line;
// nil if there are none.
func (ps problems) asError() error {
	slices.SortStableFunc(ps, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errors.Join(errs...)
}
