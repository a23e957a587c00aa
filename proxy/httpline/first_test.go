package httpline

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A browser that is led to a mail server is cut off before its request is complete,
// however it is cut into pieces; mail clients are not, whatever their tags.
func TestFirstLineOfHTTP(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"GET / HTTP/1.1\r\n":                              true,
		"POST /?a=b HTTP/1.0\n":                           true,
		"PRI * HTTP/2.0\r\n":                              true,
		"CONNECT a.example:443 HTTP/1.1\r\n":              true,
		"OPTIONS * HTTP/1.1\r\r\n":                        true,
		"PUT /" + strings.Repeat("a", maxRequestLine):     true,
		"EHLO device.example\r\n":                         false,
		"GET CAPABILITY\r\n":                              false, // the tag of an IMAP client
		"POST LOGIN a HTTP\r\n":                           false,
		"get / HTTP/1.1\r\n":                              false,
		" GET / HTTP/1.1\r\n":                             false,
		"\r\nGET / HTTP/1.1\r\n":                          false,
		"GET / HTTP/1.1":                                  false, // not complete, so not a command either
		"GETTING / HTTP/1.1\r\n":                          false,
		"HELO GET / HTTP/1.1\r\n":                         false,
		"USER a\r\nGET / HTTP/1.1\r\n":                    false, // a mail client that has begun
		"A1 LOGIN {5}\r\nGET / HTTP/1.1\r\n":              false,
		strings.Repeat("a", 2*maxRequestLine) + "\r\n":    false,
		"GET " + strings.Repeat("a ", maxRequestLine/2-3): false,
	} {
		for _, size := range []int{1, 3, 7, 1000, len(line)} {
			var f First
			got := false
			for piece := range slices.Chunk([]byte(line), size) {
				if err := f.Take(piece); err != nil {
					got = true
					if f, is := errors.AsType[*record.Failure](err); !is || f.Reason != record.ReasonHTTPOnMailPort {
						t.Errorf("%.40q: %v", line, err)
					}
					break
				}
			}
			if got != want {
				t.Errorf("%.40q in pieces of %d is HTTP: %v", line, size, got)
			}
		}
	}
}

// FuzzFirstLine: the pieces in which a line comes do not matter.
func FuzzFirstLine(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n"), 3)
	f.Add([]byte("EHLO a\r\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		var whole, pieces First
		want := whole.Take(b) != nil
		got := false
		for piece := range slices.Chunk(b, max(1, min(size, len(b)))) {
			got = got || pieces.Take(piece) != nil
		}
		if got != want && len(b) < maxRequestLine {
			t.Errorf("%q: %v, in pieces %v", b, want, got)
		}
	})
}
