package clienthello_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
)

// What has arrived already is seen without a wait, and even if the wait is over before the
// first look. A connection that is silent begins with nothing.
func TestBeginsWithinNoTime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		says string
		want bool
	}{
		"a ClientHello": {"\x16\x03\x01", true},
		"SSLv2 format":  {"\x80\x2e\x01", true},
		"a command":     {"EHLO a\r\n", false},
		"nothing":       {"", false},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		near, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(far, tt.says); err != nil { // loopback: it has arrived
			t.Fatal(err)
		}
		r := bufio.NewReader(near)
		for _, wait := range []time.Duration{0, -time.Second, time.Nanosecond} {
			if got, err := clienthello.BeginsWithin(near, r, wait); got != tt.want || err != nil {
				t.Errorf("%s, within %v: %t, %v", name, wait, got, err)
			}
		}
		_ = far.Close()
		if _, err := clienthello.BeginsWithin(near, r, 0); tt.says == "" && !errors.Is(err, io.EOF) {
			t.Errorf("%s: its end is %v", name, err)
		}
		if rest, err := io.ReadAll(r); string(rest) != tt.says || err != nil {
			t.Errorf("%s: then reads %q, %v", name, rest, err)
		}
		_, _ = near.Close(), ln.Close()
	}
}
