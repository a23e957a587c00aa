package sdnotify

import (
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestSend(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd")
	}
	path := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	n := New(map[string]string{"NOTIFY_SOCKET": path})
	if err := n.Send(Ready, Status("two\nlines"), MainPID(7)); err != nil {
		t.Fatal(err)
	}
	if err := systemd.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 200)
	size, err := systemd.Read(got)
	if want := "READY=1\nSTATUS=two lines\nMAINPID=7"; err != nil || string(got[:size]) != want {
		t.Errorf("got %q, %v, want %q", got[:size], err, want)
	}
	text := Reloading()
	if !strings.HasPrefix(text, "RELOADING=1") || runtime.GOOS == "linux" && !strings.Contains(text, "\nMONOTONIC_USEC=") {
		t.Errorf("got %q", text)
	}
	_ = systemd.Close()
	if err := n.Send(Ready); err == nil {
		t.Error("told nobody, without an error")
	}
	for _, address := range []string{"", "relative", "vsock:2:1"} {
		if n := New(map[string]string{"NOTIFY_SOCKET": address}); n != nil || n.Send(Ready) != nil {
			t.Errorf("%q: tells somebody", address)
		}
	}
}

func TestWatchdog(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pid, usec string
		anyPID    bool
		want      time.Duration
	}{
		{"", "", false, 0},
		{"", "2000000", false, 2 * time.Second},
		{"7", "2000000", false, 2 * time.Second},
		{"8", "2000000", false, 0},
		{"8", "2000000", true, 2 * time.Second},
		{"7", "x", false, 0},
		{"7", "-5", false, 0},
		{"7", "99999999999999999999", false, 0},
	} {
		if got := Watchdog(map[string]string{"WATCHDOG_PID": test.pid, "WATCHDOG_USEC": test.usec}, 7, test.anyPID); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}
