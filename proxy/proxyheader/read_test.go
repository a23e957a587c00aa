package proxyheader

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A text is a connection that brings a text and its end.
type text struct {
	net.Conn
	io.Reader
}

func (t *text) Read(p []byte) (int, error) { return t.Reader.Read(p) }

func connOf(s string) *relay.Conn { return relay.NewConn(&text{Reader: strings.NewReader(s)}) }

// The first bytes of version 2: with the command LOCAL, and with PROXY.
const (
	local2 = "\r\n\r\n\x00\r\nQUIT\n\x20"
	proxy2 = "\r\n\r\n\x00\r\nQUIT\n\x21"
)

var headers = map[string]struct {
	text string
	want Header // the zero value means that it is invalid
}{
	"version 1, IPv4": {"PROXY TCP4 192.0.2.1 192.0.2.9 4096 443\r\n",
		Header{Client: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddrPort("192.0.2.9:443")}},
	"version 1, IPv6": {"PROXY TCP6 2001:db8::1 2001:db8::9 4096 587\r\n",
		Header{Client: netip.MustParseAddr("2001:db8::1"), Destination: netip.MustParseAddrPort("[2001:db8::9]:587")}},
	"version 1, IPv4 in IPv6": {"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::9 4096 587\r\n",
		Header{Client: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddrPort("[2001:db8::9]:587")}},
	"version 1, unknown": {"PROXY UNKNOWN\r\n", Header{IsLocal: true}},
	"version 2, IPv4": {proxy2 + "\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x09\x10\x00\x01\xbb",
		Header{Client: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddrPort("192.0.2.9:443")}},
	"version 2, local":        {local2 + "\x00\x00\x00", Header{IsLocal: true}},
	"version 2, UDP":          {proxy2 + "\x12\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x09\x10\x00\x01\xbb", Header{}},
	"no client":               {"PROXY TCP4 0.0.0.0 192.0.2.9 4096 443\r\n", Header{}},
	"none":                    {"EHLO printer\r\n", Header{}},
	"cut off":                 {"PROXY TCP4 192.0.2.1 192.0.2.9 40", Header{}},
	"version 2, cut off":      {proxy2 + "\x11\x00\x0c\xc0\x00", Header{}},
	"a line that is too long": {"PROXY TCP4 " + strings.Repeat("1", maxLine) + "\r\n", Header{}},
	"nothing":                 {"", Header{}},
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, tc := range headers {
		c := connOf(tc.text + "what comes next")
		if strings.HasSuffix(name, "cut off") || tc.text == "" {
			c = connOf(tc.text)
		}
		got, err := Read(c, netip.MustParseAddr("198.51.100.1"))
		if tc.want == (Header{}) {
			var f *record.Failure
			if !errors.As(err, &f) || f.Reason != record.ReasonProxyHeaderInvalid {
				t.Errorf("%s: got %+v, %v", name, got, err)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, tc.want)
		}
		if rest, err := io.ReadAll(c.Reader()); err != nil || string(rest) != "what comes next" {
			t.Errorf("%s: %q comes after it, %v", name, rest, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, h := range headers {
		f.Add(h.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Read(connOf(text), netip.MustParseAddr("198.51.100.1"))
		var failure *record.Failure
		switch {
		case err != nil && !errors.As(err, &failure):
			t.Errorf("an error without a reason: %v", err)
		case err == nil && h.IsLocal == h.Client.IsValid():
			t.Errorf("%q names nobody, or two: %+v", text, h)
		}
	})
}
