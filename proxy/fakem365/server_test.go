package fakem365_test

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestHandshakesAreCounted(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveHTTPS(t, fake, fakem365.TLSOptions{})
	if got := server.Handshakes(); got.Completed != 0 || got.Last.Version != 0 {
		t.Errorf("before the first: %+v", got)
	}
	client := testenv.Direct(fake, server)
	client.MaxVersion, client.Sessions = tls.VersionTLS12, tls.NewLRUClientSessionCache(1)
	for range 3 {
		if _, err := client.Get(t.Context(), page); err != nil {
			t.Fatal(err)
		}
	}
	old := testenv.Direct(fake, server)
	old.MaxVersion = tls.VersionTLS10
	if _, err := old.Get(t.Context(), page); err == nil {
		t.Error("TLS 1.0 is served")
	}
	server.Close() // the refusal is counted by a goroutine that Close awaits
	got := server.Handshakes()
	if got.Completed != 3 || got.Resumed != 2 || got.Failed != 1 {
		t.Errorf("%d completed, %d resumed, %d failed; want 3, 2, 1", got.Completed, got.Resumed, got.Failed)
	}
	if got.Last.Version != tls.VersionTLS12 || got.Last.ServerName != host {
		t.Errorf("the last one: %s, %s", tls.VersionName(got.Last.Version), got.Last.ServerName)
	}
}

func TestCloseAwaitsHandlers(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	started, ended := make(chan struct{}), false
	server, err := fake.ServeTLS(fakem365.TLSOptions{}, func(conn *tls.Conn) {
		close(started)
		_, _ = io.Copy(io.Discard, conn) // until Close cuts it
		ended = true
	})
	if err != nil {
		t.Fatal(err)
	}
	testenv.DialTLS(t, testenv.Direct(fake, server), target)
	<-started
	server.Close()
	if !ended {
		t.Error("the handler still runs")
	}
	if _, err := testenv.Direct(fake, server).Get(t.Context(), page); err == nil {
		t.Error("the server still answers")
	}
}

// This test is not parallel: it counts the goroutines of the whole process.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	fake := testenv.FakeM365(t)
	web := serveHTTPS(t, fake, fakem365.TLSOptions{ALPN: []string{"h2", "http/1.1"}})
	echo, err := fake.ServeTLS(fakem365.TLSOptions{}, echoBack)
	if err != nil {
		t.Fatal(err)
	}
	for _, alpn := range []string{"h2", "http/1.1"} {
		client := testenv.Direct(fake, web)
		client.ALPN = []string{alpn}
		if _, err := client.Get(t.Context(), page); err != nil {
			t.Fatal(err)
		}
	}
	mail, _ := testenv.DialText(t, serveSMTP(t, fake, fakem365.MailOptions{}).Server)
	if _, err := mail.ReadLine(); err != nil {
		t.Fatal(err)
	}
	testenv.DialTLS(t, testenv.Direct(fake, web), target) // open connections, which ask for nothing
	testenv.DialTLS(t, testenv.Direct(fake, echo), target)
	dialPlain(t, web)
	fake.Close()

	// The client's own goroutines, and net/http's after it said closed, may
	// take a moment.
	testenv.AwaitGoroutines(t, before)
}

func TestClosedServiceServesNothing(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	fake.Close()
	if _, err := fake.ServeHTTPS(fakem365.TLSOptions{}); err == nil {
		t.Error("a closed fake Microsoft 365 starts a server")
	}
}

func dialPlain(t *testing.T, server *fakem365.Server) net.Conn {
	t.Helper()
	_, conn := testenv.DialText(t, server)
	return conn
}

// A reset may overtake the alert that says why, so what the server does not
// want to read must not lead to one.
func TestNoiseIsEndedWithoutReset(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	conn := dialPlain(t, serveHTTPS(t, fake, fakem365.TLSOptions{}))
	if _, err := io.Copy(conn, fakem365.Content(32<<10)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Error(err)
	}
}

func TestConnectionsThatEndMakeRoom(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveHTTPS(t, fake, fakem365.TLSOptions{})
	for range 1100 { // more than are served at a time
		if err := dialPlain(t, server).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := testenv.Direct(fake, server).Get(t.Context(), page); err != nil {
		t.Error(err)
	}
}
