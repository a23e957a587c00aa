package crl

import (
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/localca"
)

// made is a CA, which takes long to make.
var made = sync.OnceValues(func() (*localca.CA, error) {
	dir, err := os.MkdirTemp("", "tlslift-test-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return localca.Open(localca.Options{Dir: filepath.Join(dir, "ca")})
})

func newLists(t *testing.T, dir string, now func() time.Time) (*Lists, *localca.CA, *strings.Builder) {
	t.Helper()
	ca, err := made()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	l := New(dir, slog.New(slog.NewTextHandler(&log, nil)))
	l.now = now
	l.Use(ca)
	return l, ca, &log
}

// get returns a list, which has to be good.
func get(t *testing.T, l *Lists, id string) *x509.RevocationList {
	t.Helper()
	ca, err := made()
	if err != nil {
		t.Fatal(err)
	}
	der, err := l.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.CheckSignatureFrom(ca.Certificate()); err != nil {
		t.Error(err)
	}
	now := l.now()
	if !parsed.ThisUpdate.Before(now) || parsed.NextUpdate.Before(now.Add(5*24*time.Hour)) || len(parsed.RevokedCertificateEntries) > 0 {
		t.Errorf("at %s: good from %s to %s, with %d entries", now, parsed.ThisUpdate, parsed.NextUpdate, len(parsed.RevokedCertificateEntries))
	}
	return parsed
}

// A list is renewed long before it ends. Its number only rises: over a restart, and when the
// clock is set back.
func TestListIsRenewedAndItsNumberRises(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	clock := func() time.Time { return now }
	l, ca, log := newLists(t, dir, clock)
	first := get(t, l, "")
	if again := get(t, l, ca.ID()); !slices.Equal(again.Raw, first.Raw) {
		t.Error("a second list was signed at once")
	}
	last := first
	for _, step := range []struct {
		ahead   time.Duration
		restart bool
		renewed bool
	}{
		{time.Hour, true, false}, {use, false, true}, {use / 2, true, false}, {use, true, true}, {-10 * use, false, true}, {-use, true, true},
	} {
		now = now.Add(step.ahead)
		if step.restart {
			l, _, log = newLists(t, dir, clock)
		}
		next := get(t, l, "")
		if renewed := next.Number.Cmp(last.Number) > 0; renewed != step.renewed || !renewed && !slices.Equal(next.Raw, last.Raw) {
			t.Errorf("%+v: number %d after %d", step, next.Number, last.Number)
		}
		last = next
	}
	if log.Len() > 0 {
		t.Errorf("the log has %s", log)
	}
}

// A saved list that is broken, or that of another CA, is not used.
func TestBrokenSavedListIsNotUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, ca, _ := newLists(t, dir, time.Now)
	get(t, l, "")
	path := filepath.Join(dir, "crl", ca.ID()+".crl")
	der, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	forged := slices.Clone(der)
	forged[len(forged)-1] ^= 1
	for what, content := range map[string][]byte{"broken": []byte("no list"), "forged": forged, "long": make([]byte, maxFile+1)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		l, _, log := newLists(t, dir, time.Now)
		get(t, l, "")
		if !strings.Contains(log.String(), "cannot be used") {
			t.Errorf("%s: the log has %s", what, log)
		}
	}
}

func TestListWithoutADisk(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, _, log := newLists(t, file, time.Now)
	get(t, l, "")
	if !strings.Contains(log.String(), "cannot be saved") {
		t.Errorf("the log has %s", log)
	}
	if der, err := l.Get("0123456789ABCDEF"); err == nil || der != nil {
		t.Error("there is a list of an unknown CA")
	}
}

func FuzzParse(f *testing.F) {
	ca, err := made()
	if err != nil {
		f.Fatal(err)
	}
	der, err := New(f.TempDir(), slog.New(slog.DiscardHandler)).of(empty{ca})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		if saved, err := parse(der, ca.Certificate()); err == nil && saved.number == nil {
			t.Errorf("%+v", saved)
		}
	})
}
