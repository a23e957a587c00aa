package standin_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/textproto"
	"runtime"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/standin"
)

func TestHandshakesAreCounted(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	server := serveHTTPS(t, cloud, standin.TLSOptions{})
	if got := server.Handshakes(); got.Completed != 0 || got.Last.Version != 0 {
		t.Errorf("before the first: %+v", got)
	}
	client := direct(cloud, server)
	client.MaxVersion, client.Sessions = tls.VersionTLS12, tls.NewLRUClientSessionCache(1)
	for range 3 {
		if _, err := client.Get(t.Context(), page); err != nil {
			t.Fatal(err)
		}
	}
	old := direct(cloud, server)
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
	cloud := newCloud(t)
	started, ended := make(chan struct{}), false
	server, err := cloud.ServeTLS(standin.TLSOptions{}, func(conn *tls.Conn) {
		close(started)
		_, _ = io.Copy(io.Discard, conn) // until Close cuts it
		ended = true
	})
	if err != nil {
		t.Fatal(err)
	}
	dial(t, direct(cloud, server))
	<-started
	server.Close()
	if !ended {
		t.Error("the handler still runs")
	}
	if _, err := direct(cloud, server).Get(t.Context(), page); err == nil {
		t.Error("the server still answers")
	}
}

// This test is not parallel: it counts the goroutines of the whole process.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	cloud := newCloud(t)
	web := serveHTTPS(t, cloud, standin.TLSOptions{ALPN: []string{"h2", "http/1.1"}})
	echo, err := cloud.ServeTLS(standin.TLSOptions{}, standin.Echo)
	if err != nil {
		t.Fatal(err)
	}
	for _, alpn := range []string{"h2", "http/1.1"} {
		client := direct(cloud, web)
		client.ALPN = []string{alpn}
		if _, err := client.Get(t.Context(), page); err != nil {
			t.Fatal(err)
		}
	}
	mail := []*standin.Server{
		serveSMTP(t, cloud, standin.MailOptions{}).Server,
		serveIMAP(t, cloud, standin.MailOptions{}).Server,
		servePOP3(t, cloud, standin.MailOptions{}).Server,
	}
	for _, server := range mail {
		text, _ := dialMail(t, server)
		if _, err := text.ReadLine(); err != nil {
			t.Fatal(err)
		}
	}
	idle := textproto.NewConn(dial(t, direct(cloud, serveIMAP(t, cloud, standin.MailOptions{Implicit: true}).Server)))
	imapTurns(t, idle, "a LOGIN "+scanner+" \""+password+"\"", "a OK ", "b SELECT INBOX", "b OK ")
	if err := idle.PrintfLine("c IDLE"); err != nil {
		t.Fatal(err)
	}
	until(t, idle, "+ ", "")
	dial(t, direct(cloud, web)) // open connections, which ask for nothing
	dial(t, direct(cloud, echo))
	dialPlain(t, web)
	cloud.Close()

	// The client's own goroutines, and net/http's after it said closed, may
	// take a moment.
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-deadline.C:
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestClosedCloudServesNothing(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	cloud.Close()
	if _, err := cloud.ServeHTTPS(standin.TLSOptions{}); err == nil {
		t.Error("a closed stand-in starts a server")
	}
}

func dialPlain(t *testing.T, server *standin.Server) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A reset may overtake the alert that says why, so what the server does not
// want to read must not lead to one.
func TestNoiseIsEndedWithoutReset(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	conn := dialPlain(t, serveHTTPS(t, cloud, standin.TLSOptions{}))
	if _, err := io.Copy(conn, standin.Content(32<<10)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Error(err)
	}
}

func TestConnectionsThatEndMakeRoom(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	server := serveHTTPS(t, cloud, standin.TLSOptions{})
	for range 1100 { // more than are served at a time
		if err := dialPlain(t, server).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := direct(cloud, server).Get(t.Context(), page); err != nil {
		t.Error(err)
	}
}
