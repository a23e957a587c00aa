// Package sdnotify tells systemd what a service is doing (sd_notify(3)).
//
// It sends some short lines, and reads nothing.
package sdnotify

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// What can be told.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	Alive    = "WATCHDOG=1"
)

// Status is a line for people, which systemctl status shows.
func Status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// MainPID says that another process is the service now.
func MainPID(pid int) string { return fmt.Sprintf("MAINPID=%d", pid) }

// sendTimeout bounds how long systemd is waited for.
const sendTimeout = time.Second

// A Notifier tells systemd. A nil Notifier tells nobody.
type Notifier struct{ address string }

// New returns a Notifier for the socket that the environment names; nil if systemd does
// not want to be told.
func New(environ map[string]string) *Notifier {
	address := environ["NOTIFY_SOCKET"]
	if !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "@") { // as for an abstract socket
		return nil
	}
	return &Notifier{address}
}

// Send sends lines in one message.
func (n *Notifier) Send(lines ...string) error {
	if n == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unixgram", n.address)
	if err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	defer conn.Close() // a datagram has been sent, or not
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	return nil
}

// Watchdog returns how often systemd wants to hear Alive at least; zero if it does not.
// The variable names a process: for any other there is no watchdog, unless anyPID is set.
func Watchdog(environ map[string]string, pid int, anyPID bool) time.Duration {
	if of := environ["WATCHDOG_PID"]; of != "" && of != strconv.Itoa(pid) && !anyPID {
		return 0
	}
	n, err := strconv.ParseInt(environ["WATCHDOG_USEC"], 10, 64)
	if err != nil || n <= 0 || n > int64(24*time.Hour/time.Microsecond) {
		return 0
	}
	return time.Duration(n) * time.Microsecond
}
