package main

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const hostileName = "evil\x1b[31m\u202e\u009b2J\x07\nnext"

// someClients are one of each kind.
func someClients() *testenv.Inventory {
	now := time.Now()
	reason := record.ReasonClientUnknownCA
	unknownCA := &inventory.Failure{At: now, Reason: reason, Cause: reason.Cause(), Remedy: reason.Remedy()}
	address := netip.MustParseAddr("192.0.2.31")
	return testenv.NewInventory(
		inventory.Client{Client: "scanner-2nd-floor", Address: address, Offered: "TLS 1.0", Rule: "tls_version",
			LastLifted: now, LastLegacy: now, LastSeen: now, LastGood: now,
			Destinations: []string{"smtp.office365.com:587"}, Outcomes: map[record.Outcome]uint64{record.OutcomeLifted: 12}},
		inventory.Client{Client: "copier", Address: address, Offered: "TLS 1.0", LastSeen: now.Add(-3 * time.Hour), Failure: unknownCA,
			Outcomes: map[record.Outcome]uint64{record.OutcomeFailed: 4}},
		inventory.Client{Client: "desk", Address: address, Offered: "TLS 1.3", Rule: "capable", LastGood: now,
			Outcomes: map[record.Outcome]uint64{record.OutcomePassed: 9}},
		inventory.Client{Client: hostileName, Address: address, Offered: hostileName, Destinations: []string{hostileName}},
	)
}

// runningAdmin returns the address of an admin listener with k.
func runningAdmin(t *testing.T, k statuspage.Inventory) string {
	t.Helper()
	pages, err := statuspage.New(statuspage.Options{Inventory: k})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(admin.NewHandler(admin.Options{Metrics: metrics.New(metrics.Options{}).Handler(), Pages: pages}))
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
	for _, want := range []string{
		"CLIENT ", "scanner-2nd-floor    192.0.2.31  lifted   TLS 1.0", "smtp.office365.com:587", "3h ago",
		"client_unknown_ca: The client", record.ReasonClientUnknownCA.Remedy(),
	} {
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
	if got := runWith(t, environ, "clients", "--silent").stdout; got != "no clients\n" {
		t.Errorf("--silent: got %s", got)
	}
	got := runWith(t, environ, "clients", "--silent", "--legacy")
	if got.code != exitUsage || !strings.Contains(got.stderr, "cannot be used together") {
		t.Errorf("two filters: got %+v", got)
	}
	quiet := someClients()
	now := time.Now()
	quiet.Add(inventory.Client{
		Client: "fax", Name: "fax", FirstSeen: now.Add(-900 * time.Hour), LastSeen: now, LastAccepted: now.Add(-400 * time.Hour), Accepted: 90,
		MailPause: 3600,
	})
	silent := runWith(t, map[string]string{"TLSLIFT_ADMIN_LISTEN": runningAdmin(t, quiet)}, "clients", "--silent").stdout
	if strings.Count(silent, "\n") != 2 || !strings.Contains(silent, "fax") {
		t.Errorf("--silent: got %s", silent)
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
			gone.Listener.Addr().String():  "is tlslift running with the same TLSLIFT_ADMIN_LISTEN and TLSLIFT_ADMIN_WEB_CONFIG_FILE?",
			other.Listener.Addr().String(): "404 Not Found; is it a tlslift of the same version?",
			"":                             "TLSLIFT_ADMIN_LISTEN is empty",
		} {
			got := runWith(t, map[string]string{"TLSLIFT_ADMIN_LISTEN": admin}, command)
			if got.code != exitFailure || !strings.Contains(got.stderr, want) || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("%s: got %+v, want %q", command, got, want)
			}
		}
	}
}
