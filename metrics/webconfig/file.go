// Package webconfig reads a web configuration file in the format of Prometheus, holds a
// server to it, and lets nobody in by it while the file is broken.
//
// It bounds what wrong passwords cost: each client has its own limit, and none of them
// can keep the others out.
package webconfig

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tlslift/tlslift/metrics/loadlimit"
)

// Options are how a file is used.
type Options struct {
	// IsOpen reports whether a path needs no password, and is answered while the file is
	// broken; nil means that none is.
	IsOpen func(path string) bool
	// Log is told when the file becomes broken, and when it can be used again; required.
	Log *slog.Logger
}

// A File is a web configuration file in force. It is read again when it, or a file that
// it names, has changed.
type File struct {
	path      string
	options   Options
	passwords *passwords

	failures atomic.Int64
	good     atomic.Pointer[content] // the last one without a mistake; never nil

	mu     sync.Mutex
	stamps []stamp
	wrong  error // what is wrong with the file as it is now
}

// Open reads a file. It returns nil for no path.
func Open(path string, o Options) (*File, error) {
	if path == "" {
		return nil, nil
	}
	if o.IsOpen == nil {
		o.IsOpen = func(string) bool { return false }
	}
	f := &File{path: path, options: o, passwords: newPasswords(), stamps: stampsOf(path)}
	loaded, err := load(path)
	if err != nil {
		return nil, err
	}
	f.good.Store(loaded)
	return f, nil
}

// Check returns what is wrong with a file; nil if nothing is, or for no path.
func Check(path string) error {
	if path == "" {
		return nil
	}
	_, err := load(path)
	return err
}

// current returns the content in force, and what is wrong with the file since.
func (f *File) current() (*content, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(f.stamps, func(s stamp) bool { return !s.isCurrent() }) {
		return f.good.Load(), f.wrong
	}
	f.stamps = stampsOf(f.path)
	loaded, err := load(f.path)
	switch {
	case err != nil && (f.wrong == nil || err.Error() != f.wrong.Error()):
		f.options.Log.Error("the web configuration file cannot be used; the admin address answers only health checks until it is corrected",
			"file", f.path, "error", err.Error())
		f.failures.Add(1)
	case err == nil && f.wrong != nil:
		f.options.Log.Info("the web configuration file can be used again", "file", f.path)
	}
	if err == nil {
		f.use(loaded)
	}
	f.wrong = err
	return f.good.Load(), err
}

// use puts a content into force. A listener that has begun with TLS goes on with it, and
// one without it too.
func (f *File) use(loaded *content) {
	before := f.good.Load()
	if (loaded.secure == nil) != (before.secure == nil) {
		loaded.secure, loaded.leaf = before.secure, before.leaf
		f.options.Log.Warn("TLS of the admin address is turned on or off only by a restart", "file", f.path)
	}
	f.good.Store(loaded)
}

// Failures returns how often the file could not be used after a change. A nil File has
// none.
func (f *File) Failures() int64 {
	if f == nil {
		return 0
	}
	return f.failures.Load()
}

// HasPasswords reports whether the file asks for passwords. One that cannot be read does
// not: nobody is let in with it. Nor does a nil File.
func (f *File) HasPasswords() bool {
	if f == nil {
		return false
	}
	c, err := f.current()
	return err == nil && len(c.users) > 0
}

// Covers reports whether the certificate of the file is for a host name. A nil File has
// none.
func (f *File) Covers(host string) bool {
	if f == nil {
		return false
	}
	c, _ := f.current()
	return c.leaf != nil && c.leaf.VerifyHostname(host) == nil
}

// Serve serves until the server is closed, with the TLS and the passwords of the file; a
// nil File has neither. The error is never nil.
func (f *File) Serve(ln net.Listener, server *http.Server) error {
	if f == nil {
		return server.Serve(ln)
	}
	server.Handler = f.protect(server.Handler)
	c, _ := f.current()
	if c.secure == nil {
		return server.Serve(ln)
	}
	if !c.http2 {
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	// While the file is broken, health checks go on with the TLS that it had.
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c, _ := f.current()
		return c.secure, nil
	}}
	server.TLSConfig.Certificates = c.secure.Certificates // ServeTLS asks for one
	return server.ServeTLS(ln, "", "")
}

// protect lets through who may pass by the file.
func (f *File) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.options.IsOpen(r.URL.Path) { // must be answered even if the file cannot be read
			setHeaders(w, f.good.Load())
			next.ServeHTTP(w, r)
			return
		}
		c, err := f.current()
		setHeaders(w, c)
		switch {
		case err != nil:
			loadlimit.Refuse(w, r, broken, retryBroken)
			return
		case c.limiter != nil && !c.limiter.Allow():
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
			return
		case len(c.users) > 0 && !f.passwords.let(w, r, c.users):
			return
		}
		next.ServeHTTP(w, r)
	})
}

func setHeaders(w http.ResponseWriter, c *content) {
	for name, value := range c.headers {
		w.Header().Set(name, value)
	}
}
