package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/record"
)

// adminOf returns the address of an admin listener of a service without a proxy.
func adminOf(t *testing.T, s *service) string {
	t.Helper()
	pages, err := statuspage.New(statuspage.Options{Inventory: s.inventory, Forget: s.forget})
	if err != nil {
		t.Fatal(err)
	}
	parts := admin.Options{Metrics: s.metrics.Handler(), Ready: func() error { return nil }, Pages: pages}
	server := httptest.NewServer(newAdminServer(&settings.Config{}, s.log, parts).server.Handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func newParts(records ...*record.Record) *service {
	s := &service{
		inventory: inventory.New(inventory.Options{}), metrics: metrics.New(metrics.Options{}), log: slog.New(slog.DiscardHandler),
	}
	for _, r := range records {
		observers{s.metrics, s.inventory}.Closed(r)
	}
	return s
}

func TestForgetClient(t *testing.T) {
	t.Parallel()
	at := func(addr, name string) *record.Record {
		return &record.Record{Client: netip.MustParseAddr(addr), ClientName: name, Start: time.Now(), Outcome: record.OutcomeLifted}
	}
	s := newParts(at("192.0.2.31", "scanner 2nd/floor"), at("192.0.2.32", ""))
	environ := map[string]string{"TLSLIFT_ADMIN_LISTEN": adminOf(t, s)}
	got := runWith(t, environ, "__complete", "clients", "forget", "")
	if !strings.HasPrefix(got.stdout, "192.0.2.32\nscanner 2nd/floor\n:4\n") {
		t.Errorf("completion: got %+v", got)
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
	if all := s.inventory.Snapshot(); len(all) != 1 || all[0].Client != "192.0.2.32" {
		t.Errorf("left: %+v", all)
	}
	if got := connectionsByClient(t, s.metrics); len(got) != 1 || got["192.0.2.32"] != 1 {
		t.Errorf("series: %v", got)
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
	want := "use curl -X DELETE -u NAME " + locked.URL + "/api/v1/clients/a%20b\n"
	if got := runWith(t, environ, "clients", "forget", "a b"); got.code != exitFailure || !strings.HasSuffix(got.stderr, want) {
		t.Errorf("got %+v, want %q", got, want)
	}
}
