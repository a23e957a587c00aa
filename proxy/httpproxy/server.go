// Package httpproxy is the HTTP side of an explicit proxy: it reads the requests of
// a client until one is a CONNECT, and answers others itself: those for plain http,
// and those for https of a client that has no TLS, if that is allowed.
//
// goproxy parses the requests and makes the round trips. Its interception and its
// CA, whose key is public, are never used, and nothing but HTTP comes back through
// it.
package httpproxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// maxHeader bounds a request's header; net/http allows 4 KiB above it. Responses
// come from allowed hosts, and may have more.
const (
	maxHeader         = 16 << 10
	maxResponseHeader = 64 << 10
)

// ErrServed ends a connection that became no tunnel: its requests were answered.
// ErrUnread is an ErrServed of which the last request may still be on its way.
var (
	ErrServed = errors.New("served")
	ErrUnread = fmt.Errorf("not read to the end: %w", ErrServed)
)

// A Config is what New needs. All fields are required.
type Config struct {
	// Check returns the destination that a client asked for as host:port, if it is
	// allowed. The error is a *record.Failure.
	Check func(hostport string) (policy.Destination, error)
	// HasPlainHTTP reports whether a host may be reached on port 80 without TLS.
	HasPlainHTTP func(host string) bool
	// HandshakeTimeout bounds reading a request's header, and waiting for the header
	// of a response to plain http.
	HandshakeTimeout time.Duration
	// IdleTimeout ends a request in which nothing moves, and the time between two.
	IdleTimeout time.Duration
}

// A Client is the connection of a client, and what it may do. All fields are
// required.
type Client struct {
	Conn *relay.Conn
	// Record is where Read notes what the requests do. There is one for the connection:
	// it has the destination of the last request, and is lifted if one of them was.
	Record *record.Record
	// Plaintext means that the client may ask for https although it has no TLS.
	Plaintext bool
	// Dial connects to a destination that Check has allowed, inside verified TLS if
	// secure, and ends with ctx. The error is a *record.Failure.
	Dial func(ctx context.Context, to policy.Destination, secure bool) (net.Conn, error)
}

// A Server is the HTTP proxy of one listener.
type Server struct {
	cfg   Config
	http  *http.Server
	queue *queue
	// The round trips of plain http, and of https.
	plain, secure http.RoundTripper
}

// New returns a server; Serve starts it.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, queue: newQueue(), plain: transport(cfg.HandshakeTimeout), secure: transport(cfg.IdleTimeout)}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: cfg.HandshakeTimeout,
		ReadTimeout:       cfg.IdleTimeout,
		WriteTimeout:      cfg.IdleTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		// OPTIONS * is explained like any other request that is not for a proxy.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(io.Discard, "", 0), // the record has it
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, sessionKey{}, conn)
		},
		ConnState: func(conn net.Conn, state http.ConnState) {
			switch state {
			case http.StateIdle: // a request has been answered
				conn.(*session).handling = false
			case http.StateClosed:
				conn.(*session).finish()
			}
		},
	}
	return s
}

// Serve runs the HTTP server until Stop.
func (s *Server) Serve() { _ = s.http.Serve(s.queue) }

// Drain lets requests end and closes kept-alive connections that wait for one.
func (s *Server) Drain() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // look once: the caller waits for the connections itself
	_ = s.http.Shutdown(ctx)
}

// Stop ends Serve.
func (s *Server) Stop() { _ = s.http.Close() }

// A session is a client's connection while the HTTP server reads from it.
type session struct {
	net.Conn // the client's; reads go through its reader
	Client
	idle  time.Duration
	ended chan struct{} // closed when the HTTP server has finished with it

	reads    sync.Mutex // held by Read
	isOver   bool       // the connection is its own goroutine's again; guarded by reads
	waits    sync.Mutex // held to set the time for which a read waits
	isClosed bool       // a read waits no more; guarded by waits

	// The rest is written by the HTTP server's goroutine before ended is
	// closed.
	tunnel   *Tunnel
	served   bool
	streams  bool   // the answer to the last request comes from its destination
	unread   bool   // the last request failed, and it has a body
	broken   bool   // an answer was cut off
	lastErr  error  // of the last read
	handling bool   // the last request has come to our handler
	rejected string // what net/http said of the last one if it has not
}

type sessionKey struct{}

func sessionOf(ctx context.Context) *session { return ctx.Value(sessionKey{}).(*session) }

func (v *session) Read(p []byte) (int, error) {
	v.reads.Lock()
	defer v.reads.Unlock()
	if v.isOver {
		return 0, net.ErrClosed
	}
	n, err := v.Client.Conn.Read(p)
	v.Record.BytesFromClient += int64(n)
	v.lastErr = err
	return n, err
}

// Write passes the HTTP server's answers on, except those that net/http gives by
// itself, such as a bare 400: the client gets the reason instead.
func (v *session) Write(p []byte) (int, error) {
	if !v.handling {
		line, _, _ := strings.Cut(string(p), "\r\n")
		_, status, _ := strings.Cut(line, " ")
		v.rejected = cmp.Or(v.rejected, status, "no request")
		return len(p), nil
	}
	n, err := v.Conn.Write(p)
	v.Record.BytesToClient += int64(n)
	return n, err
}

// CloseWrite lets the HTTP server end a response gently.
func (v *session) CloseWrite() error {
	if !v.handling {
		return nil // the answer is still to come
	}
	return v.Client.Conn.CloseWrite()
}

// Close ends the HTTP side only, by waking it from a read: the connection
// belongs to its own goroutine.
func (v *session) Close() error {
	v.waits.Lock()
	defer v.waits.Unlock()
	v.isClosed = true
	return v.SetReadDeadline(time.Unix(1, 0))
}

// await lets a read wait for the idle time from now on.
func (v *session) await() error {
	v.waits.Lock()
	defer v.waits.Unlock()
	if v.isClosed {
		return net.ErrClosed
	}
	return v.SetReadDeadline(time.Now().Add(v.idle))
}

// finish gives the connection back to its own goroutine.
func (v *session) finish() { close(v.ended) }

// wait waits until the HTTP server has finished. A read to see whether the client is
// still there may outlive it.
func (v *session) wait() {
	<-v.ended
	v.reads.Lock()
	defer v.reads.Unlock()
	v.isOver = true
}

// Read lets the HTTP server read the client's requests until one is a CONNECT,
// which is returned, or the client has finished.
//
// The error is ErrServed, ErrUnread, a *record.Failure, or that of the last read.
func (s *Server) Read(c Client) (*Tunnel, error) {
	if err := checkFirst(c.Conn, s.cfg.HandshakeTimeout); err != nil {
		return nil, err
	}
	rec := c.Record
	v := &session{Conn: c.Conn.Conn, Client: c, idle: s.cfg.IdleTimeout, ended: make(chan struct{})}
	if !s.queue.put(v) {
		return nil, record.Fail(record.ReasonCutOff, net.ErrClosed)
	}
	v.wait()
	switch {
	case v.tunnel != nil:
		forget(rec) // other requests before it, and the CONNECT itself
		return v.tunnel, nil
	case v.broken:
		relay.Reset(v.Conn) // many old clients take a mere FIN for the end of the answer
		return nil, ErrServed
	case v.unread:
		return nil, ErrUnread
	case v.served && v.lastErr != nil: // half a request that never ends is no other one
		return nil, ErrServed
	case v.rejected != "" && !errors.Is(v.lastErr, os.ErrDeadlineExceeded):
		if v.served {
			forget(rec)
		}
		f := record.Fail(record.ReasonHTTPRequestInvalid, fmt.Errorf("reading the request: %s", v.rejected))
		code, _, _ := strings.Cut(v.rejected, " ")
		f.HTTP, _ = strconv.Atoi(code)
		return nil, f
	case v.served:
		return nil, ErrServed
	case v.lastErr == nil:
		return nil, io.EOF
	case rec.BytesFromClient > 0 && !errors.Is(v.lastErr, os.ErrDeadlineExceeded):
		return nil, record.Fail(record.ReasonHTTPRequestInvalid, fmt.Errorf("half a request: %w", v.lastErr))
	}
	return nil, v.lastErr
}

// forget removes from the record the requests that were served before the
// connection became a tunnel.
func forget(r *record.Record) {
	r.Protocol, r.Destination = record.ProtocolUnknown, ""
	r.Rule, r.Outcome, r.Reason, r.Err = "", "", "", nil
	r.UpstreamTLS = nil
	r.BytesFromClient, r.BytesToClient = 0, 0
}

// A queue is a net.Listener whose connections are put in by hand.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue() *queue { return &queue{conns: make(chan net.Conn), closed: make(chan struct{})} }

// put hands conn to the HTTP server; false when it has stopped.
func (q *queue) put(conn net.Conn) bool {
	select {
	case q.conns <- conn:
		return true
	case <-q.closed:
		return false
	}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }
