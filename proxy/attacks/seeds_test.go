package attacks

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)
	// corpusSize is how large an input in a corpus may be.
	corpusSize = int64(4 << 10)
)

// Each fuzz target has inputs to begin with, and no target is gone from under its corpus.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	targets := map[string]bool{} // by the folder of their corpus
	must(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range fuzzTarget.FindAllSubmatch(text, -1) {
			corpus := filepath.Join(filepath.Dir(path), "testdata", "fuzz", string(found[1]))
			targets[corpus] = true
			inputs, _ := os.ReadDir(corpus)
			if len(inputs) == 0 && !strings.Contains(string(text), ".Add(") {
				t.Errorf("%s in %s has no seeds", found[1], path)
			}
		}
		return err
	}))
	if len(targets) < 40 {
		t.Errorf("found only %d targets: the test looks at the wrong thing", len(targets))
	}
	must(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Base(filepath.Dir(filepath.Dir(path))) != "fuzz" {
			return err
		}
		info, err := entry.Info()
		switch {
		case err != nil:
			return err
		case !targets[filepath.Dir(path)]:
			t.Errorf("%s is of no target", path)
		case info.Size() > corpusSize:
			t.Errorf("%s has %d bytes", path, info.Size())
		}
		return nil
	}))
}
