package testenv

import (
	"net"
	"testing"
)

// Nobody can listen on an address that is to refuse connections, and it refuses them.
func TestRefusingAddress(t *testing.T) {
	t.Parallel()
	address := RefusingAddress(t)
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Errorf("a connection to %s is accepted", address)
	}
	for _, on := range []string{address, ":" + address[len("127.0.0.1:"):]} {
		if ln, err := net.Listen("tcp", on); err == nil {
			_ = ln.Close()
			t.Errorf("another program can listen on %s", on)
		}
	}
}
