package mailbox_test

import (
	"net/textproto"
	"runtime"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/mailbox"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// This test is not parallel: it counts the goroutines of the whole process.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	fake := testenv.FakeM365(t)
	for _, server := range []*fakem365.Server{
		serveIMAP(t, fake, mailbox.Options{}).Server,
		servePOP3(t, fake, mailbox.Options{}).Server,
	} {
		text, _ := testenv.DialText(t, server)
		if _, err := text.ReadLine(); err != nil {
			t.Fatal(err)
		}
	}
	idle := textproto.NewConn(testenv.DialTLS(t, testenv.Direct(fake, serveIMAP(t, fake, mailbox.Options{Implicit: true}).Server), target))
	imapTurns(t, idle, "a LOGIN "+scanner+" \""+password+"\"", "a OK ", "b SELECT INBOX", "b OK ")
	if err := idle.PrintfLine("c IDLE"); err != nil {
		t.Fatal(err)
	}
	until(t, idle, "+ ", "")
	fake.Close()

	// The client's own goroutines, and net/http's after it said closed, may
	// take a moment.
	testenv.AwaitGoroutines(t, before)
}
