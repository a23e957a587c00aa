package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/greeting"
)

// A visitor is a mail client behind a balancer, before TLS.
type visitor struct {
	t    *testing.T
	conn *net.TCPConn
	r    *bufio.Reader
}

func (w *mailWorld) visitor(t *testing.T, via, address string) *visitor {
	t.Helper()
	conn := dial(t, w.at[via])
	if _, err := conn.Write(headerOf(address)); err != nil {
		t.Fatal(err)
	}
	v := &visitor{t, conn, bufio.NewReader(conn)}
	if via == viaConnect {
		if _, err := io.WriteString(conn, "CONNECT "+submission+" HTTP/1.1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		v.hears("HTTP/1.1 200")
		v.hears("\r\n")
	}
	return v
}

// hears reads a line.
func (v *visitor) hears(prefix string) {
	v.t.Helper()
	if line, err := v.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, prefix) {
		v.t.Errorf("heard %q, %v, want %q", line, err, prefix)
	}
}

// leaves says QUIT, which is a command.
func (v *visitor) leaves() {
	v.t.Helper()
	if _, err := io.WriteString(v.conn, "QUIT\r\n"); err != nil {
		v.t.Error(err)
	}
	v.hears("221")
	_ = v.conn.Close()
}

// hasHeard reports whether anything has arrived for it.
func (v *visitor) hasHeard() bool {
	v.t.Helper()
	if err := v.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		v.t.Fatal(err)
	}
	_, err := v.r.Peek(1)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		v.t.Fatal(err)
	}
	return err == nil
}

// A client whose sessions were silent until the greeting gets it while others still wait
// for theirs, also after a reload. It is known at the listener where it was seen, and at no
// other. After CONNECT all wait, so that the greeting comes apart from the answer.
func TestGreetingForKnownClients(t *testing.T) {
	t.Parallel()
	const known = "192.0.2.1"
	var next proxy.Config
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) {
		c.TrustedProxies, c.ClientNets = loopback, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		for _, i := range []int{0, 2, 4} {
			c.Listeners[i].Wait = 3 * time.Second
		}
		next = *c
	})
	var all sync.WaitGroup
	for range greeting.Trials + 12 {
		for _, via := range []string{viaSMTP, viaConnect} {
			v := w.visitor(t, via, known)
			all.Go(func() { v.hears("220"); v.leaves() })
		}
	}
	all.Wait()
	check := func(when string) {
		t.Helper()
		others := map[string]*visitor{
			"another address": w.visitor(t, viaSMTP, "192.0.2.2"), "another listener": w.visitor(t, viaPlain, known),
			"behind CONNECT": w.visitor(t, viaConnect, known),
		}
		v := w.visitor(t, viaSMTP, known)
		v.hears("220")
		v.leaves()
		for name, other := range others {
			if other.hasHeard() {
				t.Errorf("%s: %s has the greeting at once", when, name)
			}
			_ = other.conn.Close()
		}
	}
	check("at first")
	if err := w.world.server.Replace(next, nil); err != nil {
		t.Fatal(err)
	}
	check("after a reload")
}
