package localca

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A pair is the directory of a CA beside which a new one is, and the fingerprints of both.
type pair struct{ dir, old, new string }

// sharedCAs are the files of two CAs, which take long to make.
var sharedCAs = sync.OnceValues(func() (all [2][2][]byte, err error) {
	for i := range all {
		o, _ := Options{Dir: "ca", Permitted: []string{"outlook.com"}}.normalised()
		if all[i][0], all[i][1], err = generate(o); err != nil {
			return all, err
		}
	}
	return all, nil
})

// rotating returns a rotation that is under way.
func rotating(t *testing.T) pair {
	t.Helper()
	files, err := sharedCAs()
	if err != nil {
		t.Fatal(err)
	}
	p := pair{dir: filepath.Join(t.TempDir(), "ca")}
	for i, dir := range []string{p.dir, NewDir(p.dir)} {
		if placed, err := createFrom(Options{Dir: dir}, files[i][0], files[i][1]); !placed || err != nil {
			t.Fatal(placed, err)
		}
	}
	p.old, p.new = fingerprintOf(t, p.dir), fingerprintOf(t, NewDir(p.dir))
	return p
}

// fingerprintOf returns that of the CA that a start would load from a directory.
func fingerprintOf(t *testing.T, dir string) string {
	t.Helper()
	a, err := load(Options{Dir: dir}, time.Now())
	if err != nil {
		t.Error(err)
		return ""
	}
	return a.Fingerprint()
}

func reopen(t *testing.T, ca *CA) *CA {
	t.Helper()
	again, err := Reopen(ca)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// besides returns the names in the directory above that of the CA.
func besides(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func TestRotationHasBothCAsInUse(t *testing.T) {
	t.Parallel()
	old := open(t, Options{Permitted: []string{"outlook.com"}})
	before := leaf(t, old, "smtp.outlook.com")
	if err := StartRotation(Options{Dir: old.dir, Permitted: []string{"outlook.com"}}); err != nil {
		t.Fatal(err)
	}
	ca := reopen(t, old)
	if ca == old || ca.New() == nil || ca.Fingerprint() != old.Fingerprint() || ca.New().Fingerprint() == old.Fingerprint() {
		t.Fatalf("%v, and the new one is %v", ca, ca.New())
	}
	if reopen(t, ca) != ca {
		t.Error("nothing has changed, and it is another one")
	}
	if leaf(t, ca, "smtp.outlook.com") != before {
		t.Error("the leaves of the old CA were forgotten")
	}
	next := leaf(t, ca.For(true), "smtp.outlook.com")
	now := time.Now()
	for _, test := range []struct {
		err error
		ok  bool
	}{
		{verify(ca, before, "smtp.outlook.com", now), true}, {verify(ca.New(), next, "smtp.outlook.com", now), true},
		{verify(ca, next, "smtp.outlook.com", now), false}, {verify(ca.New(), before, "smtp.outlook.com", now), false},
	} {
		if (test.err == nil) != test.ok {
			t.Errorf("got %v, want %t", test.err, test.ok)
		}
	}
	if ca.Issued() != 2 {
		t.Errorf("%d leaves were signed", ca.Issued())
	}
	if err := StartRotation(Options{Dir: old.dir}); !errors.Is(err, ErrRotating) {
		t.Errorf("a second rotation: %v", err)
	}
	if other := open(t, Options{Dir: old.dir}); other.New() == nil || other.New().Fingerprint() != ca.New().Fingerprint() {
		t.Error("a start does not load the new CA")
	}
	if old.For(true) != old {
		t.Error("without a rotation, there is another CA for clients that want the new one")
	}
}

func TestFinishedRotationHasNoOldKey(t *testing.T) {
	t.Parallel()
	p := rotating(t)
	ca := open(t, Options{Dir: p.dir})
	known := leaf(t, ca.New(), "smtp.outlook.com")
	if err := FinishRotation(Options{Dir: p.dir}); err != nil {
		t.Fatal(err)
	}
	after := reopen(t, ca)
	if after.Fingerprint() != p.new || after.New() != nil || leaf(t, after, "smtp.outlook.com") != known {
		t.Errorf("%v, and the new one is %v", after, after.New())
	}
	if got := besides(t, p.dir); !slices.Equal(got, []string{"ca"}) {
		t.Errorf("there is still %q", got)
	}
	info, err := os.Stat(filepath.Join(p.dir, keyName))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := FinishRotation(Options{Dir: p.dir}); !errors.Is(err, ErrNotRotating) {
		t.Errorf("finished again: %v", err)
	}
	if err := CancelRotation(p.dir); !errors.Is(err, ErrNotRotating) {
		t.Errorf("cancelled after that: %v", err)
	}
}

// Wherever a crash interrupts the end of a rotation, there is a CA, and the rotation can be
// finished.
func TestRotationGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	aside := func(dir string) error { return os.Rename(dir, dir+goneSuffix) }
	both := func(dir string) error { return errors.Join(aside(dir), os.Rename(NewDir(dir), dir)) }
	for what, crash := range map[string]func(dir string) error{
		"the old one is put aside": aside,
		"both are renamed":         both,
		"a part of the old one is removed": func(dir string) error {
			return errors.Join(both(dir), os.Remove(filepath.Join(dir+goneSuffix, keyName)))
		},
		"one from before is left": func(dir string) error { return os.Mkdir(dir+goneSuffix, 0o700) },
	} {
		p := rotating(t)
		for _, err := range []error{crash(p.dir), FinishRotation(Options{Dir: p.dir})} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got := besides(t, p.dir); !slices.Equal(got, []string{"ca"}) {
			t.Errorf("%s: there is still %q", what, got)
		}
		if fingerprintOf(t, p.dir) != p.new {
			t.Errorf("%s: it is not the new CA", what)
		}
	}
}

// What a crash has left beside the CA, with a key, is removed by the next start, reload or
// command; it stays while there is nothing that works without it.
func TestLeftOverCAIsRemoved(t *testing.T) {
	t.Parallel()
	for what, left := range map[string]func(dir string) error{
		"of the end of a rotation": func(dir string) error { return os.Rename(NewDir(dir), dir+goneSuffix) },
		"in part": func(dir string) error {
			return errors.Join(os.Rename(NewDir(dir), dir+goneSuffix), os.Remove(filepath.Join(dir+goneSuffix, certificateName)))
		},
		"an empty directory": func(dir string) error {
			return errors.Join(CancelRotation(dir), os.Mkdir(dir+goneSuffix, 0o700))
		},
	} {
		p := rotating(t)
		var log strings.Builder
		o := Options{Dir: p.dir, Log: slog.New(slog.NewTextHandler(&log, nil))}
		ca := open(t, o)
		if err := left(p.dir); err != nil {
			t.Fatal(err)
		}
		if what == "in part" {
			reopen(t, ca)
		} else {
			open(t, o)
		}
		if got := besides(t, p.dir); !slices.Equal(got, []string{"ca"}) || strings.Count(log.String(), "removed a CA with its key") != 1 {
			t.Errorf("%s: there is %q, and the log has %s", what, got, &log)
		}
	}
	p := rotating(t)
	key := filepath.Join(NewDir(p.dir), keyName)
	if err := errors.Join(os.Rename(p.dir, p.dir+goneSuffix), os.WriteFile(key, []byte("broken"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: p.dir}); err == nil || !slices.Contains(besides(t, p.dir), "ca"+goneSuffix) {
		t.Errorf("%v, and there is %q", err, besides(t, p.dir))
	}
	if removed, err := RemoveLeft(filepath.Join(t.TempDir(), "ca")); removed || err != nil {
		t.Error(removed, err)
	}
}

// A start between the two renames makes no third CA.
func TestStartFinishesARotation(t *testing.T) {
	t.Parallel()
	p := rotating(t)
	if err := os.Rename(p.dir, p.dir+goneSuffix); err != nil {
		t.Fatal(err)
	}
	if ca := open(t, Options{Dir: p.dir}); ca.Fingerprint() != p.new || ca.Created() || ca.New() != nil {
		t.Errorf("it started with %v", ca)
	}
	if err := FinishRotation(Options{Dir: p.dir}); !errors.Is(err, ErrNotRotating) || !slices.Equal(besides(t, p.dir), []string{"ca"}) {
		t.Errorf("%v, and there is %q", err, besides(t, p.dir))
	}
}

func TestCancelledRotationKeepsTheOldCA(t *testing.T) {
	t.Parallel()
	p := rotating(t)
	if err := CancelRotation(p.dir); err != nil {
		t.Fatal(err)
	}
	if got := besides(t, p.dir); !slices.Equal(got, []string{"ca"}) || fingerprintOf(t, p.dir) != p.old {
		t.Errorf("there is %q", got)
	}
	p = rotating(t)
	if err := os.Rename(p.dir, p.dir+goneSuffix); err != nil {
		t.Fatal(err)
	}
	if err := CancelRotation(p.dir); err == nil {
		t.Error("the only CA was removed")
	}
}

func TestRotationDoesNotEndWithABrokenCA(t *testing.T) {
	t.Parallel()
	p := rotating(t)
	if err := os.Remove(filepath.Join(NewDir(p.dir), keyName)); err != nil {
		t.Fatal(err)
	}
	if err := FinishRotation(Options{Dir: p.dir}); err == nil {
		t.Error("the old CA was given up")
	}
	if _, err := Open(Options{Dir: p.dir}); err == nil {
		t.Error("the new CA without a key was loaded")
	}
	if err := Check(p.dir); err == nil {
		t.Error("nothing is wrong with it")
	}
	if err := CancelRotation(p.dir); err != nil || fingerprintOf(t, p.dir) != p.old {
		t.Error(err)
	}
}

// A symbolic link leads to a directory that would keep the old key.
func TestRotationOfALinkedCA(t *testing.T) {
	t.Parallel()
	p := rotating(t)
	elsewhere := filepath.Join(t.TempDir(), "secrets")
	if err := errors.Join(os.Rename(p.dir, elsewhere), os.Symlink(elsewhere, p.dir)); err != nil {
		t.Skip(err)
	}
	if err := FinishRotation(Options{Dir: p.dir}); err == nil || fingerprintOf(t, p.dir) != p.old {
		t.Errorf("the rotation ended, and the old key is where it was; %v", err)
	}
}

// Root makes nothing where a link leads that the owner of the state directory has made.
func TestRootFollowsNoLinkToANewCA(t *testing.T) {
	t.Parallel()
	o := Options{Dir: filepath.Join(t.TempDir(), "ca"), AnyOwner: true}
	open(t, o)
	target := filepath.Join(t.TempDir(), "anchors")
	mustMkdir(t, target)
	if err := os.Symlink(target, NewDir(o.Dir)); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if err := StartRotation(o); err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
		t.Errorf("a CA was made: %v", err)
	}
	if got := entries(t, target); len(got) > 0 {
		t.Errorf("the target of the link holds %q", got)
	}
	// So it is if the link is there when the files are written.
	link := filepath.Join(filepath.Dir(o.Dir), "made")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := fill(link, []byte("certificate"), []byte("key")); err == nil || len(entries(t, target)) > 0 {
		t.Errorf("%v, and the target of the link holds %q", err, entries(t, target))
	}
}

// A new CA is in its place, where the service looks, only when all is done with it.
func TestNewCAIsPlacedLast(t *testing.T) {
	t.Parallel()
	o := Options{Dir: filepath.Join(t.TempDir(), "ca")}
	open(t, o)
	wrong := errors.New("it cannot be given away")
	o.Made = func(made string) error {
		if got := entries(t, made); !slices.Equal(got, []string{"ca.key", "ca.pem"}) {
			t.Errorf("it holds %q", got)
		}
		return wrong
	}
	if err := StartRotation(o); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	if got := entries(t, filepath.Dir(o.Dir)); !slices.Equal(got, []string{"ca"}) {
		t.Errorf("there is %q now", got)
	}
}
