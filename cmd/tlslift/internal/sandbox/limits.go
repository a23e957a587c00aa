// Package sandbox takes from the running process what it does not need: other files than
// its configuration and its state, other ports than those of destinations, and programs
// that give more rights. So who takes over tlslift does not have the machine.
//
// The kernel's Landlock enforces it, without any right and without a set-up by the
// operator. It cannot be taken back: a process that has entered stays inside, and so do
// those that it starts.
package sandbox

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Limits are what a process may still do once it is inside. The zero value permits
// nothing. What is open already stays open.
type Limits struct {
	// Read are directories whose files may be read.
	Read []string
	// Write are directories in which files may be made, changed and removed, too.
	Write []string
	// Execute are directories whose programs and libraries may be run.
	Execute []string
	// Connect are the ports that may be connected to, by TCP; nil means all.
	Connect []uint16
}

// Beyond returns what wanted permits and l does not, in words; it is empty if there is
// nothing.
func (l Limits) Beyond(wanted Limits) []string {
	var all []string
	for _, dir := range wanted.Read {
		if !isBelow(dir, l.Read) && !isBelow(dir, l.Write) && !isBelow(dir, l.Execute) {
			all = append(all, "reading "+dir)
		}
	}
	for _, dir := range wanted.Write {
		if !isBelow(dir, l.Write) {
			all = append(all, "writing to "+dir)
		}
	}
	for _, port := range wanted.Connect {
		if l.Connect != nil && !slices.Contains(l.Connect, port) {
			all = append(all, fmt.Sprintf("connecting to port %d", port))
		}
	}
	if wanted.Connect == nil && l.Connect != nil {
		all = append(all, "connecting to any port")
	}
	return all
}

// Within returns what both l and outer permit: what is left of l in a process that had
// entered outer before.
func (l Limits) Within(outer Limits) Limits {
	connect := l.Connect
	switch {
	case connect == nil:
		connect = outer.Connect
	case outer.Connect != nil:
		connect = slices.DeleteFunc(slices.Clone(connect), func(port uint16) bool { return !slices.Contains(outer.Connect, port) })
	}
	return Limits{
		Read: both(l.readable(), outer.readable()), Write: both(l.Write, outer.Write),
		Execute: both(l.Execute, outer.Execute), Connect: connect,
	}
}

// readable returns the directories whose files may be read.
func (l Limits) readable() []string { return slices.Concat(l.Read, l.Write, l.Execute) }

// both returns the directories that are, or are inside, those of two lists.
func both(a, b []string) []string {
	all := set{}
	for _, dir := range a {
		all[dir] = isBelow(dir, b)
	}
	for _, dir := range b {
		all[dir] = all[dir] || isBelow(dir, a)
	}
	maps.DeleteFunc(all, func(_ string, is bool) bool { return !is })
	return all.sorted()
}

// isBelow reports whether a path is one of directories, or is inside one of them.
func isBelow(path string, directories []string) bool {
	return slices.ContainsFunc(directories, func(dir string) bool {
		return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
	})
}

// A set collects directories.
type set map[string]bool

// add adds directories that exist; others give nothing to permit.
func (s set) add(dirs ...string) {
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		absolute, err := filepath.Abs(dir)
		if err != nil {
			continue
		}
		if _, err := os.Stat(absolute); err == nil {
			s[absolute] = true
		}
	}
}

// addParents adds the directories of files: as they are named, and where links lead. A
// file that is replaced, as editors and Kubernetes do, is a new one in the same directory.
func (s set) addParents(files ...string) {
	for _, file := range files {
		if file == "" {
			continue
		}
		s.add(parent(file))
		if real, err := filepath.EvalSymlinks(file); err == nil {
			s.add(parent(real))
		}
	}
}

// parent returns the directory of a file, or the file itself if that is the root: it would
// permit everything.
func parent(file string) string {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return ""
	}
	if dir := filepath.Dir(absolute); filepath.Dir(dir) != dir {
		return dir
	}
	return absolute
}

func (s set) sorted() []string {
	return slices.Sorted(maps.Keys(s))
}
