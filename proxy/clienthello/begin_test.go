package clienthello_test

import (
	"bufio"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/testenv"
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
		near, far := testenv.TCPPair(t)
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
	}
}

// A client that has reset its connection has not ended it, whenever that is looked at, and
// what it has sent before comes first.
func TestBeginsWithinReset(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		says string
		wait time.Duration
		want bool
	}{
		"it has said nothing, no wait":           {"", 0, false},
		"it has said nothing, too short a wait":  {"", time.Nanosecond, false},
		"it has said nothing, wait":              {"", time.Minute, false},
		"it has begun a ClientHello, no wait":    {"\x16", 0, true},
		"it has begun a ClientHello, short wait": {"\x16", time.Nanosecond, true},
	} {
		near, far := testenv.TCPPair(t)
		if _, err := io.WriteString(far, tt.says); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(far.SetLinger(0), far.Close()); err != nil { // loopback: the reset has arrived
			t.Fatal(err)
		}
		r := bufio.NewReader(near)
		got, err := clienthello.BeginsWithin(near, r, tt.wait)
		if got != tt.want || (err == nil) != tt.want {
			t.Errorf("%s: %t, %v", name, got, err)
		}
		for range len(tt.says) {
			_, _ = r.ReadByte()
		}
		if err == nil {
			_, err = r.ReadByte()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: its end is %v, want a reset", name, err)
		}
	}
}
