package main

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A notified is a systemd that is told what a child does.
type notified struct {
	t    *testing.T
	conn *net.UnixConn
}

func newNotified(t *testing.T) (n *notified, variable string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &notified{t, conn}, "NOTIFY_SOCKET=" + path
}

// await reads messages until one has a line, or the beginning of one.
func (n *notified) await(line string) string {
	n.t.Helper()
	for {
		text := make([]byte, 4096)
		size, err := n.conn.Read(text)
		if err != nil {
			n.t.Fatalf("nobody says %s: %v", line, err)
		}
		if message := "\n" + string(text[:size]); strings.Contains(message, "\n"+line) {
			return message
		}
	}
}

// systemd hears when tlslift is ready, reads its configuration again, is alive, and stops.
func TestNotify(t *testing.T) {
	t.Parallel()
	systemd, variable := newNotified(t)
	c := newChild(t, variable, "WATCHDOG_USEC=200000")
	c.start()
	if got := systemd.await("READY=1"); !strings.Contains(got, "\nSTATUS=serving clients at 1 listeners") {
		t.Errorf("got %q", got)
	}
	systemd.await("WATCHDOG=1")
	c.signal(syscall.SIGHUP)
	if got := systemd.await("RELOADING=1"); !strings.Contains(got, "\nMONOTONIC_USEC=") {
		t.Errorf("got %q", got)
	}
	systemd.await("READY=1")
	systemd.await("WATCHDOG=1")
	c.signal(syscall.SIGTERM)
	systemd.await("STOPPING=1")
	if code, rest := c.wait(); code != exitOK {
		t.Errorf("exit code %d: %s", code, rest)
	}
}

// A hand-over is a reload in which another process becomes the service. That one hears the
// next signals.
func TestNotifyOfHandOver(t *testing.T) {
	t.Parallel()
	systemd, variable := newNotified(t)
	c := newChild(t, variable, "WATCHDOG_USEC=200000", "WATCHDOG_PID=1")
	c.start()
	systemd.await("READY=1")
	c.signal(syscall.SIGUSR2)
	systemd.await("RELOADING=1")
	c.signal(syscall.SIGHUP) // the successor may have read its configuration already
	message := systemd.await("MAINPID=")
	pid := int(c.record("handed over to the next process")["pid"].(float64))
	if !strings.Contains(message+"\n", "\nMAINPID="+strconv.Itoa(pid)+"\n") || !strings.Contains(message, "\nREADY=1") {
		t.Errorf("got %q, want %d", message, pid)
	}
	systemd.await("RELOADING=1") // by the successor
	systemd.await("WATCHDOG=1")  // of the successor, since WATCHDOG_PID is not the first process
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the first process ended with %v", err)
	}
	stopSuccessor(t, pid)
	systemd.await("STOPPING=1")
}
