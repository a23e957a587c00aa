package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/elazarl/goproxy"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
)

// maxHTTPHeader bounds a request's header; net/http allows 4 KiB above it.
// Responses come from allowed hosts, and may have more.
const (
	maxHTTPHeader         = 16 << 10
	maxHTTPResponseHeader = 64 << 10
)

// An explicit is the HTTP proxy of one proxy:// listener. goproxy reads the
// requests, and answers those for plain http itself; a CONNECT request is
// taken out of its hands and given back to the connection's own goroutine.
// goproxy's interception and its CA are never used.
type explicit struct {
	server *Server
	http   *http.Server
	queue  *connQueue
}

func newExplicit(s *Server) *explicit {
	e := &explicit{server: s, queue: newConnQueue()}
	e.http = &http.Server{
		Handler:           e.handler(),
		ReadHeaderTimeout: s.cfg.HandshakeTimeout,
		ReadTimeout:       s.cfg.IdleTimeout,
		WriteTimeout:      s.cfg.IdleTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    maxHTTPHeader,
		ErrorLog:          log.New(io.Discard, "", 0), // the record tells
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, conversationKey{}, conn)
		},
		ConnState: func(conn net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				conn.(*conversation).finish()
			}
		},
	}
	return e
}

// serve runs the HTTP server until stop.
func (e *explicit) serve() { _ = e.http.Serve(e.queue) }

// drain lets requests end and closes kept-alive connections that wait for one.
func (e *explicit) drain() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // a single look: the caller waits for the connections itself
	_ = e.http.Shutdown(ctx)
}

func (e *explicit) stop() { _ = e.http.Close() }

// A tunnel is a CONNECT request.
type tunnel struct {
	target string // as the client wrote it
	proto  string // "HTTP/1.0" or "HTTP/1.1"
	open   bool   // the client has been told that the tunnel stands
}

// established tells the client that the tunnel stands.
func (t *tunnel) established(c *client, timeout time.Duration) error {
	if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	if _, err := io.WriteString(c, t.proto+" 200 Connection established\r\n\r\n"); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	t.open = true
	if err := c.SetWriteDeadline(time.Time{}); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	return nil
}

// A conversation is a client's connection while the HTTP server reads from it.
type conversation struct {
	net.Conn // the client; reads go through its reader
	client   *client
	ended    chan struct{} // closed when the HTTP server is done with it

	// The rest is written by the HTTP server's goroutine before ended is
	// closed.
	tunnel  *tunnel
	served  bool
	lastErr error // of the last read
	wrote   bool
}

type conversationKey struct{}

func (v *conversation) Read(p []byte) (int, error) {
	n, err := v.client.Read(p)
	v.client.rec.BytesFromClient += int64(n)
	v.lastErr = err
	return n, err
}

// Write passes the HTTP server's answers on, except the 400 that net/http gives
// to half a request at the deadline: a slow client is told that it is slow.
func (v *conversation) Write(p []byte) (int, error) {
	if !v.served && errors.Is(v.lastErr, os.ErrDeadlineExceeded) {
		return len(p), nil
	}
	n, err := v.Conn.Write(p)
	v.client.rec.BytesToClient += int64(n)
	v.wrote = true
	return n, err
}

// CloseWrite lets the HTTP server end a response gently.
func (v *conversation) CloseWrite() error { return v.client.CloseWrite() }

// Close ends the HTTP side only, by waking it from a read: the connection
// belongs to its own goroutine.
func (v *conversation) Close() error { return v.SetReadDeadline(time.Unix(1, 0)) }

// finish gives the connection back to its own goroutine.
func (v *conversation) finish() { close(v.ended) }

// request lets the HTTP server read the client's requests until one is a
// CONNECT, which becomes the client's tunnel, or the client is done.
func (e *explicit) request(ctx context.Context, c *client) error {
	v := &conversation{Conn: c.Conn, client: c, ended: make(chan struct{})}
	if !e.queue.put(v) {
		return record.Fail(record.ReasonCutOff, net.ErrClosed)
	}
	<-v.ended
	switch {
	case v.tunnel != nil:
		c.tunnel = v.tunnel
		c.forget() // plain requests before it, and the CONNECT itself
		return nil
	case v.served:
		return errServed
	case v.wrote:
		// net/http has answered with its own 4xx; let it arrive.
		c.rec.Outcome = record.OutcomeRefused
		e.server.linger(c)
		return record.Fail(record.ReasonHTTPRequestInvalid, errors.New("malformed or oversized request header"))
	}
	if v.lastErr == nil {
		v.lastErr = io.EOF
	}
	return readFailure(v.lastErr)
}

func (e *explicit) handler() http.Handler {
	p := goproxy.NewProxyHttpServer()
	p.Logger = log.New(io.Discard, "", 0)
	p.ConnectDial = nil // the environment's proxy settings are not ours
	p.KeepAcceptEncoding = true
	p.NonproxyHandler = http.HandlerFunc(e.notAProxyRequest)
	p.Tr = &http.Transport{
		DialContext:           e.dial,
		DisableCompression:    true,
		DisableKeepAlives:     true, // NTLM authenticates a connection, which is one client's
		ResponseHeaderTimeout: e.server.cfg.HandshakeTimeout,

		MaxResponseHeaderBytes: maxHTTPResponseHeader,
	}
	p.OnRequest().HandleConnectFunc(e.connect)
	p.OnRequest().DoFunc(e.plain)
	p.OnResponse().DoFunc(e.respond)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := r.Context().Value(conversationKey{}).(*conversation)
		p.ServeHTTP(&responseWriter{ResponseWriter: w, conversation: v, connect: r.Method == http.MethodConnect}, r)
	})
}

// dial reaches the destination of a plain request, which the policy has allowed.
func (e *explicit) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, e.server.cfg.HandshakeTimeout)
	defer cancel()
	return e.server.upstream.DialContext(ctx, network, address)
}

// connect takes every CONNECT request out of goproxy's hands.
func (e *explicit) connect(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
	return &goproxy.ConnectAction{Action: goproxy.ConnectHijack, Hijack: hijackTunnel}, host
}

func hijackTunnel(r *http.Request, _ net.Conn, _ *goproxy.ProxyCtx) {
	v := r.Context().Value(conversationKey{}).(*conversation)
	v.tunnel = &tunnel{target: r.URL.Host, proto: r.Proto}
	v.finish()
}

// A responseWriter keeps the bytes that the HTTP server has read beyond a
// CONNECT request: an eager client sends its ClientHello in the same segment.
type responseWriter struct {
	http.ResponseWriter
	conversation *conversation
	connect      bool
}

// Unwrap lets http.ResponseController find the server's own writer.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush lets goproxy send what it has of a streamed response.
func (w *responseWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack gives the bytes back to the client's own reader.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !w.connect {
		return nil, nil, errors.New("hijacking: only CONNECT becomes a tunnel")
	}
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("hijacking: %w", err)
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, fmt.Errorf("taking early bytes: %w", err)
	}
	w.conversation.client.giveBack(early)
	rw.Reader.Reset(conn)
	return conn, rw, nil
}

// notAProxyRequest answers a request that is not meant for a proxy.
func (e *explicit) notAProxyRequest(w http.ResponseWriter, r *http.Request) {
	v := r.Context().Value(conversationKey{}).(*conversation)
	f := record.Fail(record.ReasonHTTPRequestInvalid, errors.New("this is an HTTP proxy; the request names no destination"))
	v.refuse(f)
	w.Header().Set("Connection", "close")
	http.Error(w, explain(f), f.Reason.HTTPStatus())
}

// plain allows or refuses a request for plain http, as in the download of a
// certificate revocation list.
func (e *explicit) plain(r *http.Request, ctx *goproxy.ProxyCtx) (*http.Request, *http.Response) {
	v := r.Context().Value(conversationKey{}).(*conversation)
	v.served = true
	rec := v.client.rec
	rec.Protocol = "http"
	f := e.checkPlain(r, rec)
	if f == nil {
		rec.Outcome, rec.Reason, rec.Err = record.OutcomePassed, "", nil
		r.Header.Del("Upgrade") // a switched protocol would escape the policy
		return r, nil
	}
	v.refuse(f)
	return r, plainRefusal(r, f)
}

func (e *explicit) checkPlain(r *http.Request, rec *record.Record) *record.Failure {
	if r.URL.Scheme != "http" {
		return record.Fail(record.ReasonHTTPRequestInvalid, fmt.Errorf("scheme %q: use CONNECT for anything but http", r.URL.Scheme))
	}
	target := r.URL.Host
	if r.URL.Port() == "" {
		target = net.JoinHostPort(r.URL.Hostname(), "80")
	}
	dest, err := e.server.allowed(target)
	if err != nil {
		return asFailure(err)
	}
	if neverPlain(dest.Port) {
		return record.Fail(record.ReasonPortNotAllowed, fmt.Errorf("port %d is for TLS or mail, and never for plain http", dest.Port))
	}
	rec.Destination = dest.String()
	return nil
}

// neverPlain says whether a port is one that plain http must not be sent to: it
// would be without TLS where TLS is due, and commands of mail could be in it.
func neverPlain(port uint16) bool {
	return port == listener.DefaultTLSPort || listener.MailPort(port) != ""
}

// respond turns a failure of the round trip into an answer that says why. No
// other protocol than HTTP comes back: it would escape the policy.
func (e *explicit) respond(resp *http.Response, ctx *goproxy.ProxyCtx) *http.Response {
	v := ctx.Req.Context().Value(conversationKey{}).(*conversation)
	switch {
	case resp != nil && resp.StatusCode == http.StatusSwitchingProtocols:
		_ = resp.Body.Close()
		f := record.Fail(record.ReasonUpstreamHTTPFailed, errors.New("the destination switches to another protocol"))
		v.refuse(f)
		return plainRefusal(ctx.Req, f)
	case resp != nil:
		resp.Header.Del("Upgrade")
		return resp
	case ctx.Error == nil:
		return nil
	}
	f := plainFailure(ctx.Error)
	v.refuse(f)
	return plainRefusal(ctx.Req, f)
}

// plainFailure is why a round trip failed. What net/http says of an answer is
// not repeated, for it quotes the answer.
func plainFailure(err error) *record.Failure {
	f := upstreamFailure(err)
	if f.Reason == record.ReasonUpstreamUnreachable {
		return record.Fail(record.ReasonUpstreamHTTPFailed, errors.New("no whole HTTP answer came in time"))
	}
	return f
}

// refuse notes in the record what was answered to a plain request.
func (v *conversation) refuse(f *record.Failure) {
	v.served = true
	rec := v.client.rec
	rec.Outcome = "" // of an earlier request
	rec.Fail(f)
}

func plainRefusal(r *http.Request, f *record.Failure) *http.Response {
	resp := goproxy.NewResponse(r, "text/plain; charset=utf-8", f.Reason.HTTPStatus(), explain(f))
	resp.Header.Set("Connection", "close")
	return resp
}

// A connQueue is a net.Listener whose connections are put in by hand.
type connQueue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newConnQueue() *connQueue {
	return &connQueue{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// put hands conn to the HTTP server; false when it has stopped.
func (q *connQueue) put(conn net.Conn) bool {
	select {
	case q.conns <- conn:
		return true
	case <-q.closed:
		return false
	}
}

func (q *connQueue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *connQueue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

func (q *connQueue) Addr() net.Addr { return &net.TCPAddr{} }
