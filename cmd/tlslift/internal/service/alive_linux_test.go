package service

import (
	"net"
	"syscall"
	"testing"
)

// A listener is stuck when clients wait and nobody tries to accept them.
func TestStuckListener(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var o opened
	accepting := o.add(ln)
	look := func(want bool, when string) {
		t.Helper()
		if address, is := o.stuck(); is != want || is && address != ln.Addr().String() {
			t.Errorf("%s: %s is stuck: %v", when, address, is)
		}
	}
	look(false, "nobody is there")
	look(false, "nobody is there")
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	look(false, "a client has only just come")
	look(true, "it still waits")
	conn, err := accepting.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	look(false, "it is accepted")
	if _, is := ln.(syscall.Conn); !is || len(o.sockets()) != 1 || o.sockets()[0].Name != "listener0" {
		t.Errorf("a successor gets %+v", o.sockets())
	}
}
