package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/record"
)

// kept is an inventory of what a test puts in.
type kept struct {
	mu          sync.Mutex
	clients     []inventory.Client
	connections []inventory.Connection
	changed     chan struct{} // closed at the next connection; nil when nobody waits
}

func (k *kept) Snapshot() []inventory.Client { return append([]inventory.Client{}, k.clients...) }

func (k *kept) Client(string) (inventory.Client, bool) { return inventory.Client{}, false }

func (k *kept) Recent(client string, after uint64, limit int) []inventory.Connection {
	k.mu.Lock()
	defer k.mu.Unlock()
	var found []inventory.Connection
	for _, c := range k.connections {
		if c.Number > after && (client == "" || client == c.Client) && len(found) < limit {
			found = append(found, c)
		}
	}
	return found
}

func (k *kept) Wait(ctx context.Context, client string, after uint64) error {
	for {
		next := k.next() // before looking, so that no connection is missed
		if len(k.Recent(client, after, 1)) > 0 {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (k *kept) next() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.changed == nil {
		k.changed = make(chan struct{})
	}
	return k.changed
}

func (k *kept) add(c inventory.Connection) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.Number = uint64(len(k.connections)) + 1
	k.connections = append(k.connections, c)
	if k.changed != nil {
		close(k.changed)
		k.changed = nil
	}
}

const hostileName = "evil\x1b[31m\u202e\u009b2J\x07\nnext"

// someClients are one of each kind.
func someClients() *kept {
	now := time.Now()
	unknownCA := &inventory.Failure{At: now, Reason: record.ReasonClientUnknownCA, Cause: record.ReasonClientUnknownCA.Cause(), Remedy: record.ReasonClientUnknownCA.Remedy()}
	address := netip.MustParseAddr("192.0.2.31")
	return &kept{clients: []inventory.Client{
		{Client: "scanner-2nd-floor", Address: address, Offered: "TLS 1.0", Rule: "tls_version", LastLifted: now, LastSeen: now, LastGood: now,
			Destinations: []string{"smtp.office365.com:587"}, Outcomes: map[record.Outcome]uint64{record.OutcomeLifted: 12}},
		{Client: "copier", Address: address, Offered: "TLS 1.0", LastSeen: now.Add(-3 * time.Hour), Failure: unknownCA, Outcomes: map[record.Outcome]uint64{record.OutcomeFailed: 4}},
		{Client: "desk", Address: address, Offered: "TLS 1.3", Rule: "capable", LastGood: now, Outcomes: map[record.Outcome]uint64{record.OutcomePassed: 9}},
		{Client: hostileName, Address: address, Offered: hostileName, Destinations: []string{hostileName}},
	}}
}

// runningAdmin returns the address of an admin listener with k.
func runningAdmin(t *testing.T, k statuspage.Inventory) string {
	t.Helper()
	pages, err := statuspage.New(statuspage.Options{Inventory: k})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(metrics.NewAdminWith(metrics.AdminOptions{Gatherer: metrics.New(metrics.Options{}).Gatherer(), Pages: pages}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func controls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' || unicode.Is(unicode.Cf, r)
	})
}

func TestClients(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"TLSLIFT_ADMIN_LISTEN": runningAdmin(t, someClients())}
	all := runWith(t, environ, "clients")
	if all.code != exitOK || all.stderr != "" || controls(all.stdout) {
		t.Fatalf("got %+v", all)
	}
	for _, want := range []string{"CLIENT ", "scanner-2nd-floor    192.0.2.31  lifted   TLS 1.0", "smtp.office365.com:587", "3h ago", "client_unknown_ca: The client", record.ReasonClientUnknownCA.Remedy()} {
		if !strings.Contains(all.stdout, want) {
			t.Errorf("%q is missing in\n%s", want, all.stdout)
		}
	}
	if got := runWith(t, environ, "clients", "--failing").stdout; !strings.Contains(got, "copier") || strings.Contains(got, "scanner") {
		t.Errorf("--failing: got %s", got)
	}
	if got := runWith(t, environ, "clients", "--legacy").stdout; strings.Contains(got, "copier") || !strings.Contains(got, "scanner") {
		t.Errorf("--legacy: got %s", got)
	}
	asJSON := runWith(t, environ, "clients", "--json").stdout
	var answer statuspage.Clients
	if err := json.Unmarshal([]byte(asJSON), &answer); err != nil || len(answer.Clients) != 4 || controls(asJSON) {
		t.Errorf("--json: %v: %s", err, asJSON)
	}
	asCSV := runWith(t, environ, "clients", "--csv", "--failing").stdout
	if lines, err := csv.NewReader(strings.NewReader(asCSV)).ReadAll(); err != nil || len(lines) != 2 || lines[1][0] != "copier" {
		t.Errorf("--csv: %v: %s", err, asCSV)
	}
	if got := runWith(t, map[string]string{"TLSLIFT_ADMIN_LISTEN": runningAdmin(t, nil)}, "clients"); got.stdout != "no clients\n" {
		t.Errorf("nobody: %+v", got)
	}
}

func TestAskingNobody(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for _, command := range []string{"clients", "watch"} {
		for admin, want := range map[string]string{
			gone.Listener.Addr().String():  "is tlslift running with the same TLSLIFT_ADMIN_LISTEN?",
			other.Listener.Addr().String(): "404 Not Found; is it a tlslift of the same version?",
			"":                             "TLSLIFT_ADMIN_LISTEN is empty",
		} {
			got := runWith(t, map[string]string{"TLSLIFT_ADMIN_LISTEN": admin}, command)
			if got.code != exitFailure || !strings.Contains(got.stderr, want) || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("%s: got %+v, want %q", command, got, want)
			}
		}
	}
	if got := runWith(t, nil, "clients", "--json", "--csv"); got.code != exitUsage {
		t.Errorf("--json --csv: %+v", got)
	}
}

// lines is a writer that hands over what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

func TestWatch(t *testing.T) {
	t.Parallel()
	k := &kept{}
	for _, name := range []string{"first", "second", "third"} {
		k.add(inventory.Connection{Client: name, Outcome: record.OutcomePassed, Offered: "TLS 1.3"})
	}
	out, notes := make(lines, 10), &bytes.Buffer{}
	w := &watch{cfg: &settings.Config{AdminListen: settings.Address(runningAdmin(t, k))}, before: 2, out: out, notes: notes}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	for _, want := range []string{"second", "third"} {
		if got := <-out; !strings.Contains(got, want) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	k.add(inventory.Connection{Client: hostileName, ServerName: hostileName, Outcome: record.OutcomeFailed, Offered: "TLS 1.0",
		Reason: record.ReasonClientUnknownCA, Cause: record.ReasonClientUnknownCA.Cause(), Remedy: record.ReasonClientUnknownCA.Remedy()})
	got := <-out
	if parts := strings.Split(got, "\n"); len(parts) != 4 || !strings.Contains(parts[0], "failed") || strings.TrimSpace(parts[2]) != record.ReasonClientUnknownCA.Remedy() || controls(got) {
		t.Errorf("got %q", got)
	}
	cancel()
	if err := <-done; err != nil || notes.Len() != 0 {
		t.Errorf("got %v and %s", err, notes)
	}
}

// A restarted tlslift counts from 1 again; nothing of it is missed.
func TestWatchGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	before, after := &kept{}, &kept{}
	before.add(inventory.Connection{Client: "before"})
	after.add(inventory.Connection{Client: "after"})
	current, next := runningAdmin(t, before), runningAdmin(t, after)
	var questions atomic.Int32
	// One question is answered, one finds nobody, and others the new one.
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		admin := next
		switch questions.Add(1) {
		case 1:
			admin = current
		case 2:
			panic(http.ErrAbortHandler)
		}
		text, err := askAdmin(r.Context(), &settings.Config{AdminListen: settings.Address(admin)}, question{path: r.URL.Path, query: r.URL.Query(), wait: watchWait})
		if err == nil {
			_, _ = rw.Write(text)
		}
	}))
	t.Cleanup(server.Close)
	out, notes := make(lines, 10), make(lines, 10)
	w := &watch{cfg: &settings.Config{AdminListen: settings.Address(server.Listener.Addr().String())}, before: 10, retry: time.Millisecond, out: out, notes: notes}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	if got := <-out; !strings.Contains(got, "before") {
		t.Errorf("got %q", got)
	}
	if got := <-notes; !strings.Contains(got, "waiting for it") {
		t.Errorf("got %q", got)
	}
	if got := <-out; !strings.Contains(got, "after") {
		t.Errorf("got %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWatchColoursOutcomesOnly(t *testing.T) {
	t.Parallel()
	c := &inventory.Connection{Client: "a", Outcome: record.OutcomeLifted, ClientTLS: "TLS 1.0 X", UpstreamTLS: "TLS 1.3 Y"}
	plain, coloured := (&watch{}).text(c), (&watch{colours: true}).text(c)
	if !strings.Contains(plain, "  lifted   a ") || !strings.Contains(plain, "TLS 1.0 -> TLS 1.3") || strings.Contains(plain, "\x1b") {
		t.Errorf("got %q", plain)
	}
	if strings.Count(coloured, "\x1b[") != 2 || !strings.Contains(coloured, "\x1b[33mlifted \x1b[0m") {
		t.Errorf("got %q", coloured)
	}
}

func TestCtrlCEndsWatch(t *testing.T) {
	t.Parallel()
	needSignals(t)
	k := &kept{}
	k.add(inventory.Connection{Client: "first", Outcome: record.OutcomePassed})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "watch")
	cmd.Env = []string{asProgram + "=1", "HOME=" + t.TempDir(), "TLSLIFT_ADMIN_LISTEN=" + runningAdmin(t, k)}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("watch ended with %v", err)
	}
}

func FuzzHarmless(f *testing.F) {
	f.Add([]byte(hostileName))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := harmless(text); controls(strings.ReplaceAll(got, "\t", "")) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
