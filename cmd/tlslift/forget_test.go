package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/record"
)

func TestForgetClient(t *testing.T) {
	t.Parallel()
	at := func(addr, name string) *record.Record {
		return &record.Record{Client: netip.MustParseAddr(addr), ClientName: name, Start: time.Now(), Outcome: record.OutcomeLifted}
	}
	inv := inventory.New(inventory.Options{})
	inv.Closed(at("192.0.2.31", "scanner 2nd/floor"))
	inv.Closed(at("192.0.2.32", ""))
	pages, err := statuspage.New(statuspage.Options{Inventory: inv, Forget: inv.Forget})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(admin.NewHandler(admin.Options{
		Metrics: metrics.New(metrics.Options{}).Handler(), Pages: pages, Changes: statuspage.ClientsPath,
	}))
	t.Cleanup(server.Close)
	environ := map[string]string{"TLSLIFT_ADMIN_LISTEN": server.Listener.Addr().String()}
	for _, line := range [][]string{{"clients", "forget", ""}, {"watch", "--client", ""}} {
		got := runWith(t, environ, append([]string{"__complete"}, line...)...)
		if !strings.HasPrefix(got.stdout, "192.0.2.32\nscanner 2nd/floor\n:4\n") {
			t.Errorf("completion of %q: got %+v", line, got)
		}
	}
	for _, test := range []struct{ name, want string }{
		{"scanner 2nd/flor", "tlslift: no client is called \"scanner 2nd/flor\"; did you mean \"scanner 2nd/floor\"?\n"},
		{"192.0.2.31", "the client with this address is called \"scanner 2nd/floor\"\n"},
	} {
		if got := runWith(t, environ, "clients", "forget", test.name); got.code != exitFailure || !strings.HasSuffix(got.stderr, test.want) {
			t.Errorf("%s: got %+v", test.name, got)
		}
	}
	if got := runWith(t, environ, "clients", "forget", "scanner 2nd/floor"); got.code != exitOK || got.stdout != "forgot scanner 2nd/floor\n" {
		t.Errorf("got %+v", got)
	}
	if all := inv.Snapshot(); len(all) != 1 || all[0].Client != "192.0.2.32" {
		t.Errorf("left: %+v", all)
	}
	for _, args := range [][]string{{"clients", "forget"}, {"clients", "forget", ""}, {"clients", "forget", "a", "b"}} {
		if got := runWith(t, environ, args...); got.code != exitUsage || !strings.Contains(got.stderr, "name one client") {
			t.Errorf("%q: got %+v", args, got)
		}
	}
	if got := runWith(t, environ, "clients", "forgt"); got.code != exitUsage || !strings.Contains(got.stderr, "did you mean forget?") {
		t.Errorf("got %+v", got)
	}
}

// Without a tlslift there is nothing to complete, and who asks for a password says how to
// give it.
func TestForgetWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(locked.Close)
	environ := map[string]string{"TLSLIFT_ADMIN_LISTEN": locked.Listener.Addr().String()}
	if got := runWith(t, environ, "__complete", "clients", "forget", ""); !strings.HasPrefix(got.stdout, ":4\n") {
		t.Errorf("completion: got %+v", got)
	}
	want := "asking " + locked.URL + ": it asks for a password; set TLSLIFT_ADMIN_USER"
	if got := runWith(t, environ, "clients", "forget", "a b"); got.code != exitFailure || !strings.Contains(got.stderr, want) {
		t.Errorf("got %+v, want %q", got, want)
	}
}
