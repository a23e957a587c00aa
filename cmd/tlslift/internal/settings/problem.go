package settings

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/tlslift/tlslift/proxy/secretfile"
)

// A problem is one thing that is wrong with the settings.
type problem struct {
	setting string // full name; empty if it is not about a known setting
	text    string // one line, which names it, the value and the remedy
}

// problems is everything that is wrong with the settings, as one error of one
// line each.
type problems []problem

func (ps problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.text
	}
	return strings.Join(lines, "\n")
}

// asError returns the problems in the order of the settings, and then those of
// other names; nil if there are none.
func (ps problems) asError() error {
	if len(ps) == 0 {
		return nil
	}
	rank := func(p problem) int {
		if i := slices.Index(names(), p.setting); i >= 0 {
			return i
		}
		return len(table)
	}
	slices.SortStableFunc(ps, func(a, b problem) int {
		if a.setting == "" && b.setting == "" {
			return strings.Compare(a.text, b.text)
		}
		return cmp.Compare(rank(a), rank(b))
	})
	return ps
}

// A remedied error says itself what to write instead.
type remedied struct{ error }

// wrongSetting returns the problem of a setting, without the prefix, whose value
// cannot be used. The table has the remedy, unless the error has one.
func wrongSetting(name string, err error) problem {
	i := slices.IndexFunc(table, func(row setting) bool { return row.name == name })
	why := strings.ReplaceAll(err.Error(), "\n", "; ")
	if !errors.As(err, new(remedied)) {
		why += " (write " + table[i].remedy + ")"
	}
	return problem{Prefix + name, Prefix + name + ": " + why}
}

// CannotRead returns the error of a setting, without the prefix, whose file cannot
// be read.
func CannotRead(name, path string, err error) error {
	return fmt.Errorf("%s%s: cannot read %s: %w; correct the path, or let tlslift's user read the file", Prefix, name, path, SystemError(err))
}

// SystemError returns what the system said, for messages that name the file or
// address already.
func SystemError(err error) error {
	if errors.As(err, new(*secretfile.AccessError)) { // with a command to copy
		return err
	}
	err = secretfile.WithoutPath(err)
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}
