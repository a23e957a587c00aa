package ownca

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// knows lets the running tlslift of h have these clients.
func knows(t *testing.T, h *Home, all ...inventory.Client) {
	t.Helper()
	var answer statuspage.Clients
	for _, c := range all {
		answer.Clients = append(answer.Clients, statuspage.Client{Client: c})
	}
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/clients" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(text)
	}))
	t.Cleanup(server.Close)
	if err := h.cfg.AdminListen.UnmarshalText([]byte(strings.TrimPrefix(server.URL, "http://"))); err != nil {
		t.Fatal(err)
	}
}

func client(name, ca string) inventory.Client {
	return inventory.Client{
		Client: name, Address: netip.MustParseAddr("192.0.2.7"), CA: ca, Version: "TLS 1.0",
		LastSeen: time.Now().Add(-73 * time.Hour), LastLifted: time.Now().Add(-73 * time.Hour),
	}
}

// step does a step of a rotation, and returns what it says.
func step(t *testing.T, h *Home, r Rotation) (string, error) {
	t.Helper()
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err := r.Run(t.Context(), h, &b)
	return b.String(), err
}

func TestRotateStepByStep(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	old := current(t, h)
	said, err := step(t, h, Rotation{})
	next, nextErr := h.next()
	if err != nil || nextErr != nil || next == nil {
		t.Fatal(err, nextErr)
	}
	if !strings.Contains(said, next.Fingerprint()) || !strings.Contains(said, "ca: new") {
		t.Errorf("it said %s", said)
	}
	if _, err := step(t, h, Rotation{}); err == nil || !strings.Contains(err.Error(), "under way already") {
		t.Errorf("a second rotation: %v", err)
	}
	if got := shown(t, h, false); !strings.Contains(got, "Old CA\n") || !strings.Contains(got, "New CA\n") ||
		!strings.Contains(got, "It is not known who still uses the old CA: TLSLIFT_ADMIN_LISTEN") {
		t.Errorf("it shows %s", got)
	}
	if _, err := step(t, h, Rotation{Finish: true}); err == nil || !strings.Contains(err.Error(), "it is not known who still uses") {
		t.Errorf("finished without knowing: %v", err)
	}
	knows(t, h, client("copier", old.ID()), client("scanner", next.ID()), client("fax", ""), inventory.Client{Client: "passed"})
	got := shown(t, h, false)
	if !strings.Contains(got, "2 clients were last shown the old CA:\n") ||
		!strings.Contains(got, "copier (192.0.2.7), last seen 3 days ago") ||
		!strings.Contains(got, "fax (") || strings.Contains(got, "scanner") || strings.Contains(got, "passed") {
		t.Errorf("it shows %s", got)
	}
	if _, err := step(t, h, Rotation{Finish: true}); err == nil || !strings.Contains(err.Error(), "copier") {
		t.Errorf("finished while clients use it: %v", err)
	}
	knows(t, h, client("copier", next.ID()))
	if got := shown(t, h, false); !strings.Contains(got, "No client was last shown the old CA") {
		t.Errorf("it shows %s", got)
	}
	if said, err := step(t, h, Rotation{Finish: true}); err != nil || !strings.Contains(said, next.Fingerprint()) {
		t.Errorf("%v, %s", err, said)
	}
	if current(t, h).ID() != next.ID() || len(matches(t, h)) != 1 {
		t.Errorf("there is %q", matches(t, h))
	}
}

// What an interrupted rotation has left, with a key, is removed by the next rotation or import,
// which say so.
func TestNextCommandRemovesALeftOverCA(t *testing.T) {
	t.Parallel()
	chain, _, key := company(t)
	for name, next := range map[string]func(*Home) (string, error){
		"rotate": func(h *Home) (string, error) { return step(t, h, Rotation{}) },
		"import": func(h *Home) (string, error) { return imported(h, "", chain, key) },
	} {
		h := newHome(t)
		putCA(t, h.options.Dir+".removed")
		said, err := next(h)
		if err != nil || !strings.Contains(said, "is removed with its key") || len(matches(t, h)) != 2 {
			t.Errorf("%s: %v, %s, and there is %q", name, err, said, matches(t, h))
		}
	}
}

// An old CA that cannot be read is no old CA that is gone: it is not removed while it may be
// in use. One that an interrupted step has put aside is.
func TestFinishAsksAlsoIfTheOldCACannotBeRead(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	putCA(t, localca.NewDir(h.options.Dir))
	certificate := filepath.Join(h.options.Dir, "ca.pem")
	if err := os.WriteFile(certificate, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := step(t, h, Rotation{Finish: true}); err == nil || !strings.Contains(err.Error(), "--force") || len(matches(t, h)) != 2 {
		t.Errorf("%v, and there is %q", err, matches(t, h))
	}
	if err := os.Rename(h.options.Dir, h.options.Dir+".removed"); err != nil {
		t.Fatal(err)
	}
	if _, err := step(t, h, Rotation{Finish: true}); err != nil || len(matches(t, h)) != 1 {
		t.Errorf("%v, and there is %q", err, matches(t, h))
	}
}

// What the running tlslift answers is safe to show: somebody else may listen there.
func TestListedIsSafe(t *testing.T) {
	t.Parallel()
	one := client("copier\x1b[1m", "")
	one.Address = netip.MustParseAddr("fe80::1%\x1b[31m")
	if got := listed([]statuspage.Client{{Client: one}}, time.Now()); strings.Contains(got, "\x1b") {
		t.Errorf("got %q", got)
	}
}

// matches returns what is in the state directory.
func matches(t *testing.T, h *Home) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(filepath.Dir(h.options.Dir), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestForcedAndCancelledRotations(t *testing.T) {
	t.Parallel()
	for _, r := range []Rotation{{Cancel: true}, {Finish: true, Force: true}} {
		h := newHome(t)
		old := current(t, h).ID()
		putCA(t, localca.NewDir(h.options.Dir))
		if _, err := step(t, h, r); err != nil || len(matches(t, h)) != 1 || current(t, h).ID() != old { // both have the same files
			t.Errorf("%+v: %v, %q", r, err, matches(t, h))
		}
		if _, err := step(t, h, r); err == nil || !strings.Contains(err.Error(), "tlslift ca rotate makes one") {
			t.Errorf("%+v again: %v", r, err)
		}
	}
}

// What is left in the settings from the last rotation would give the new CA to clients that do
// not have it.
func TestRotationDoesNotBeginWithTheNewCA(t *testing.T) {
	t.Parallel()
	file := testenv.WriteFile(t, "clients.yaml", []byte("clients: [{name: fax, address: 192.0.2.7, ca: new}]"))
	for want, setting := range map[string]string{
		"TLSLIFT_CA_ROTATION is new": "TLSLIFT_CA_ROTATION=new", `has ca: new, as for "fax"`: "TLSLIFT_CLIENTS_FILE=" + file,
	} {
		h := newHome(t, setting)
		if _, err := step(t, h, Rotation{}); err == nil || !strings.Contains(err.Error(), want) || len(matches(t, h)) != 1 {
			t.Errorf("%v, and there is %q", err, matches(t, h))
		}
	}
	if err := (Rotation{Finish: true, Cancel: true}).Check(); err == nil {
		t.Error("finished and cancelled")
	}
	if err := (Rotation{Force: true}).Check(); err == nil {
		t.Error("forced nothing")
	}
}

// What root makes belongs to the owner of the state directory, who can read it.
func TestRotationByRootIsTheOwners(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "give a file to another user")
	const user = 65532
	h := newHome(t)
	for _, path := range []string{"..", ".", "ca.pem", "ca.key"} {
		if err := os.Chown(filepath.Join(h.options.Dir, path), user, user); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := step(t, h, Rotation{}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{".", "ca.pem", "ca.key"} {
		path = filepath.Join(localca.NewDir(h.options.Dir), path)
		if got := testenv.Owner(t, path); got != user {
			t.Errorf("%s belongs to %d", path, got)
		}
	}
	if _, err := step(t, h, Rotation{Finish: true, Force: true}); err != nil {
		t.Error(err)
	}
}
