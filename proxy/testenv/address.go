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
