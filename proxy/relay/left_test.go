package relay

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// A client has left when it has closed or reset its connection, and left nothing to read.
func TestHasLeft(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the kernel cannot be asked")
	}
	send := func(text string) func(*testing.T, net.Conn) {
		return func(t *testing.T, c net.Conn) {
			t.Helper()
			if _, err := io.WriteString(c, text); err != nil {
				t.Error(err)
			}
		}
	}
	encrypted := func(version uint16) func(*testing.T, net.Conn) { // ends with a close_notify
		return func(t *testing.T, c net.Conn) {
			t.Helper()
			send(map[uint16]string{
				tls.VersionTLS10: "\x15\x03\x01\x00\x20" + string(make([]byte, 32)),
				tls.VersionTLS13: "\x17\x03\x03\x00\x13" + string(make([]byte, 19)),
			}[version])(t, c)
		}
	}
	for name, tt := range map[string]struct {
		says func(*testing.T, net.Conn)
		ends func(*net.TCPConn) error
		left bool
	}{
		"is there":                  {nil, nil, false},
		"says something":            {send("NOOP\r\n"), nil, false},
		"closes":                    {nil, (*net.TCPConn).Close, true},
		"half-closes":               {nil, (*net.TCPConn).CloseWrite, true},
		"resets":                    {nil, func(c *net.TCPConn) error { Reset(c); return nil }, true},
		"resets after a command":    {send("NOOP\r\n"), func(c *net.TCPConn) error { Reset(c); return nil }, true},
		"says something and closes": {send("NOOP\r\n"), (*net.TCPConn).Close, false},
		"closes TLS 1.0":            {encrypted(tls.VersionTLS10), (*net.TCPConn).Close, true},
		"closes TLS 1.3":            {encrypted(tls.VersionTLS13), (*net.TCPConn).Close, true},
		"says something in TLS":     {send("\x17\x03\x03\x00\x20" + string(make([]byte, 32))), (*net.TCPConn).Close, false},
		"says two records":          {send("\x15\x03\x03\x00\x02\x01\x00\x17\x03\x03\x00\x00"), (*net.TCPConn).Close, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			peer, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if tt.says != nil {
				tt.says(t, peer)
			}
			if tt.ends != nil {
				if err := tt.ends(peer.(*net.TCPConn)); err != nil {
					t.Fatal(err)
				}
			}
			// What was sent on loopback may arrive a little later.
			for end := time.Now().Add(10 * time.Second); tt.left && !HasLeft(conn) && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			if got := HasLeft(NewConn(conn)); got != tt.left {
				t.Errorf("left is %t", got)
			}
		})
	}
	if one, _ := net.Pipe(); HasLeft(one) {
		t.Error("a pipe has left")
	}
}
