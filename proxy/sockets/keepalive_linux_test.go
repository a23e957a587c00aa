package sockets

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tlslift/tlslift/proxy/listener"
)

// options returns the options of a socket that have to do with keep-alive, and TCP_NODELAY.
func options(t *testing.T, of any) (values [5]int) {
	t.Helper()
	raw, err := of.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for i, o := range [5][2]int{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT}, {unix.IPPROTO_TCP, unix.TCP_NODELAY},
		} {
			n, err := unix.GetsockoptInt(int(fd), o[0], o[1])
			if err != nil {
				t.Error(err)
			}
			values[i] = n
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// A connection has the keep-alive of its listener, which is that of package net.
func TestKeepAliveIsInherited(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		ln, err := Open(t.Context(), listener.URL{Scheme: listener.SchemeTLS, Address: address})
		if err != nil {
			t.Skip(address, err) // no IPv6
		}
		defer ln.Close()
		if got := options(t, ln); got != [5]int{1, 15, 15, 9, 0} {
			t.Errorf("the socket that listens on %s has %v", address, got)
		}
		client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		accepted, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		if got := options(t, accepted); got != [5]int{1, 15, 15, 9, 1} {
			t.Errorf("a connection to %s has %v", address, got)
		}
	}
}
