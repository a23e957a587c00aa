// Package subject runs the programs of a comparison: tlslift, and each peer that is
// installed, with equivalent configurations that are part of this package. It changes
// nothing outside of the directory that it is given.
package subject

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TLSLift is the ID of the first tlslift, which the others are compared with.
const TLSLift = "tlslift"

// A Subject is a program that takes part in a comparison.
type Subject struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Version string `json:"version,omitempty"`
	Skipped string `json:"skipped,omitempty"` // why it takes no part

	path string
	kind kind
}

// IDs returns the names that subjects are chosen by.
func IDs() []string {
	ids := make([]string, len(kinds))
	for i, k := range kinds {
		ids[i] = k.id
	}
	return ids
}

// Find returns the subjects with these IDs, in the order of the tables. Paths are
// programs by ID: all of tlslift, and more than what is installed of others.
func Find(ctx context.Context, ids []string, paths map[string][]string) []Subject {
	var found []Subject
	for _, k := range kinds {
		if !slices.Contains(ids, k.id) {
			continue
		}
		programs := paths[k.id]
		if installed := lookUp(k.programs); installed != "" {
			programs = append([]string{installed}, programs...)
		}
		if len(programs) == 0 {
			found = append(found, Subject{ID: k.id, Title: k.title, Skipped: "is not installed", kind: k})
		}
		for i, path := range programs {
			s := Subject{ID: k.id, Title: k.title, path: path, kind: k}
			if i > 0 {
				s.ID += "-" + strconv.Itoa(i+1)
				s.Title += " (" + strconv.Itoa(i+1) + ")"
			}
			s.askVersion(ctx)
			found = append(found, s)
		}
	}
	return found
}

func lookUp(programs []string) string {
	for _, p := range programs {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
		// Where Debian has them, which is not in the path of every user.
		if path, err := exec.LookPath(filepath.Join("/usr/sbin", p)); err == nil {
			return path
		}
	}
	return ""
}

var versionNumber = regexp.MustCompile(`(?:^|[\s/v])(\d+(?:\.\d+)+(?:-(?:dev|rc|beta)\d*)?)`)

// askVersion runs the program for its version; one that cannot be run takes no part.
func (s *Subject) askVersion(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, s.path, s.kind.version...).CombinedOutput() //nolint:gosec // programs that the user compares
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Skipped = fmt.Sprintf("cannot be run: %v", err)
		return
	}
	if m := versionNumber.FindSubmatch(out); m != nil {
		s.Version = string(m[1])
	}
}

// Cannot returns why a subject does not take part in a mode; empty if it does.
func (s Subject) Cannot(m Mode) string {
	if s.Skipped != "" {
		return s.Skipped
	}
	if s.kind.configs.of(m) == "" {
		return s.kind.cannot.of(m)
	}
	return ""
}

// Ours reports whether the subject is a tlslift, and no peer.
func (s Subject) Ours() bool { return s.ID == TLSLift || strings.HasPrefix(s.ID, TLSLift+"-") }
