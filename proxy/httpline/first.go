// Package httpline recognises an HTTP request in the place of the first line of a mail
// client.
package httpline

import (
	"bytes"
	"errors"
	"regexp"
	"slices"

	"github.com/tlslift/tlslift/proxy/record"
)

// httpMethods begin the lines that no mail client sends first.
var httpMethods = [][]byte{
	[]byte("GET "), []byte("POST "), []byte("HEAD "), []byte("PUT "), []byte("OPTIONS "), []byte("DELETE "), []byte("PATCH "),
	[]byte("CONNECT "), []byte("TRACE "), []byte("PRI "),
}

// requestLine is the first line of an HTTP request (RFC 9112 section 3).
var requestLine = regexp.MustCompile(`^[A-Z]+ \S+ HTTP/\d(\.\d)?\r*$`)

// maxRequestLine is as long as that line may be before it is taken for one.
const maxRequestLine = 8 << 10

// A First looks at the first line of a mail client; the zero value waits for it. A browser that somebody has
// redirected to a mail server sends a request, in whose body the mail server would find
// its commands (ALPACA).
type First struct {
	line []byte
	done bool // it is none of HTTP
}

// Take looks at what the client has sent; the error is a *record.Failure once it is HTTP.
// The bytes of the last call must not reach the destination then. It may be called on nil,
// of a client that may send HTTP.
func (f *First) Take(p []byte) error {
	if f == nil || f.done {
		return nil
	}
	rest, _, ended := bytes.Cut(p, []byte("\n"))
	f.line = append(f.line, rest[:min(len(rest), maxRequestLine-len(f.line))]...)
	begins := func(method []byte) bool { return bytes.HasPrefix(f.line, method) }
	switch full := ended || len(f.line) == maxRequestLine; {
	case !f.mayBeRequest():
	case !full:
		return nil
	case requestLine.Match(f.line), !ended && slices.ContainsFunc(httpMethods, begins):
		return record.Fail(record.ReasonHTTPOnMailPort, errors.New("the client's first line is an HTTP request"))
	}
	clear(f.line) // it can be a sign-in
	f.line, f.done = nil, true
	return nil
}

// mayBeRequest reports whether the line may still become a request.
func (f *First) mayBeRequest() bool {
	return slices.ContainsFunc(httpMethods, func(method []byte) bool {
		n := min(len(f.line), len(method))
		return bytes.Equal(f.line[:n], method[:n])
	})
}
