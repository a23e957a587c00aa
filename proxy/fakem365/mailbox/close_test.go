package mailbox_test

import (
	"net/textproto"
	"runtime"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/mailbox"
)

// This test is not parallel: it counts the goroutines of the whole process.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	fake := newFake(t)
	for _, server := range []*fakem365.Server{
		serveIMAP(t, fake, mailbox.Options{}).Server,
		servePOP3(t, fake, mailbox.Options{}).Server,
	} {
		text, _ := dialMail(t, server)
		if _, err := text.ReadLine(); err != nil {
			t.Fatal(err)
		}
	}
	idle := textproto.NewConn(dial(t, direct(fake, serveIMAP(t, fake, mailbox.Options{Implicit: true}).Server)))
	imapTurns(t, idle, "a LOGIN "+scanner+" \""+password+"\"", "a OK ", "b SELECT INBOX", "b OK ")
	if err := idle.PrintfLine("c IDLE"); err != nil {
		t.Fatal(err)
	}
	until(t, idle, "+ ", "")
	fake.Close()

	// The client's own goroutines may take a moment.
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
