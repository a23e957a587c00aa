package fakem365

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	maxContent    = 1 << 30 // bytes of a body, either way
	maxHeader     = 16 << 10
	headerTimeout = 10 * time.Second
	idleTimeout   = time.Minute
)

// ServeHTTPS starts a web server, over HTTP/1 unless o.ALPN says h2 too.
//
//	GET /             says which host name, TLS version and suite it was asked with
//	GET /bytes?n=N    is the first N bytes of Content
//	POST or PUT /hash says the SHA-256 and the length of the request's body
func (f *Service) ServeHTTPS(o TLSOptions) (*Server, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", hello)
	mux.HandleFunc("GET /bytes", sendBytes)
	mux.HandleFunc("POST /hash", hash)
	mux.HandleFunc("PUT /hash", hash)
	return f.ServeHandler(o, mux)
}

// ServeHandler starts a web server of another kind, over HTTP/1 unless o.ALPN says h2
// too.
func (f *Service) ServeHandler(o TLSOptions, handler http.Handler) (*Server, error) {
	if o.ALPN == nil {
		o.ALPN = []string{"http/1.1"}
	}
	return f.ServeTLS(o, func(conn *tls.Conn) { serveHTTP(conn, handler) })
}

// Content returns what GET /bytes sends: n bytes that look random and are the same
// each time.
func Content(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{}), n)
}

// serveHTTP serves one connection and returns when it is closed. net/http does
// not wait for its connections; with a server for each there is something to
// wait for.
func serveHTTP(conn net.Conn, handler http.Handler) {
	one := &oneConn{conn: conn, closed: make(chan struct{})}
	closed := sync.OnceFunc(func() { close(one.closed) })
	server := &http.Server{
		Handler:           handler,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ReadTimeout:       ConnectionTimeout,
		WriteTimeout:      ConnectionTimeout,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				closed()
			}
		},
	}
	_ = server.Serve(one) // it says net.ErrClosed, by oneConn
}

// oneConn is a listener with one connection to accept, which is closed with it.
type oneConn struct {
	conn     net.Conn
	accepted bool
	closed   chan struct{}
}

func (o *oneConn) Accept() (net.Conn, error) {
	if o.accepted {
		<-o.closed
		return nil, net.ErrClosed
	}
	o.accepted = true
	return o.conn, nil
}

func (o *oneConn) Close() error   { return nil }
func (o *oneConn) Addr() net.Addr { return o.conn.LocalAddr() }

func hello(w http.ResponseWriter, r *http.Request) {
	name := r.TLS.ServerName
	if name == "" {
		name = "a host without a name"
	}
	answer(w, fmt.Sprintf("hello from %s over %s, %s\n",
		name, tls.VersionName(r.TLS.Version), tls.CipherSuiteName(r.TLS.CipherSuite)))
}

func sendBytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	if err != nil || n < 0 || n > maxContent {
		http.Error(w, fmt.Sprintf("n has to be a number from 0 to %d", maxContent), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	if r.Method == http.MethodHead {
		return // net/http would drop every byte of it
	}
	_, _ = io.Copy(w, Content(n)) // a client that went away needs no answer
}

func hash(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	n, err := io.Copy(sum, http.MaxBytesReader(w, r.Body, maxContent))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		http.Error(w, fmt.Sprintf("a body may have %d bytes", maxContent), http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "reading the body: "+err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, fmt.Sprintf("%x %d\n", sum.Sum(nil), n))
}

func answer(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = io.WriteString(w, text) // a client that went away needs no answer
}
