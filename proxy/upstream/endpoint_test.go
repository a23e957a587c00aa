package upstream

import (
	"strings"
	"testing"
)

func TestParseEndpoint(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	long := strings.Repeat(label+".", 3) + strings.Repeat("b", 61)
	tests := []struct{ in, want, absolute string }{
		{"mail.example.com:443", "mail.example.com:443", "mail.example.com.:443"},
		{"Mail.Example.COM.:443", "mail.example.com:443", "mail.example.com.:443"},
		{"_a-b.example:1", "_a-b.example:1", "_a-b.example.:1"},
		{"192.0.2.1:65535", "192.0.2.1:65535", "192.0.2.1:65535"},
		{"[2001:DB8:0::1]:443", "[2001:db8::1]:443", "[2001:db8::1]:443"},
		{long + ":443", long + ":443", long + ".:443"},
		{in: ""},
		{in: "mail.example.com"},
		{in: ":443"},
		{in: ".:443"},
		{in: "..:443"},
		{in: "a..example:443"},
		{in: "mail.example.com:"},
		{in: "mail.example.com:0"},
		{in: "mail.example.com:65536"},
		{in: "mail.example.com:-1"},
		{in: "mail.example.com:https"},
		{in: "mail example.com:443"},
		{in: "mail.example.com\r\nHost: x:443"},
		{in: "bücher.example:443"},
		{in: "[fe80::1%eth0]:443"},
		{in: "[fe80::1%\r\n]:443"},
		{in: long + "a:443"},
		{in: label + "a:443"},
		{in: "mail.example." + label + "a:443"},
		{in: "-a.example:443"},
		{in: "127.1:443"},
		{in: "0x7f000001:443"},
		{in: strings.Repeat("\xff", 1000) + ":443"},
	}
	for _, test := range tests {
		got, err := parseEndpoint(test.in)
		if (err == nil) != (test.want != "") {
			t.Errorf("%q: got error %v", test.in, err)
		}
		if err == nil && (got.String() != test.want || got.absolute() != test.absolute) {
			t.Errorf("%q: got %s and %s", test.in, got, got.absolute())
		}
	}
}

func FuzzParseEndpoint(f *testing.F) {
	f.Add("mail.example.com:443")
	f.Add("[2001:db8::1]:443")
	f.Add("a\r\nb:1")
	f.Add("..:1")
	f.Fuzz(func(t *testing.T, in string) {
		first, err := parseEndpoint(in)
		if err != nil {
			return
		}
		if strings.ContainsFunc(first.String(), func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q: %q would break a CONNECT request", in, first)
		}
		second, err := parseEndpoint(first.String())
		if err != nil || second != first {
			t.Errorf("%q: got %s, then %s, %v", in, first, second, err)
		}
	})
}
