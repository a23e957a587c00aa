package testenv

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// nextPort counts up below the ports that the system gives to outgoing
// connections, so that none of those takes a port between its choice and its
// use.
var nextPort atomic.Int32

const (
	firstPort = 20000
	lastPort  = 32000
)

// FreeAddress returns a loopback address that nobody listens on, and that is
// given out only once.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range lastPort - firstPort {
		// Another test process on this machine starts at another port.
		port := firstPort + (int(nextPort.Add(1))+os.Getpid()*97)%(lastPort-firstPort)
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = ln.Close()
		return ln.Addr().String()
	}
	t.Fatal("no free port")
	return ""
}

// RefusingAddress returns a loopback address that refuses connections until the test ends:
// its port is in use, so that no other program of this machine can listen there.
func RefusingAddress(t testing.TB) string {
	t.Helper()
	to, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = to.Close() })
	for range 100 {
		address := FreeAddress(t)
		from, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		// A connection from this port keeps it, and nobody listens there.
		conn, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", to.Addr().String())
		if err != nil {
			continue // somebody was faster
		}
		t.Cleanup(func() { _ = conn.Close() })
		return address
	}
	t.Fatal("no free port")
	return ""
}
