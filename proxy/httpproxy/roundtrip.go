package httpproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elazarl/goproxy"

	"github.com/tlslift/tlslift/proxy/record"
)

// expectWait is how long a client's "Expect: 100-continue" waits for the
// destination, before its body is sent all the same (RFC 9110 section 10.1.1).
const expectWait = time.Second

// transport makes round trips on the connections that reach has opened. No connection
// is used twice: NTLM authenticates a connection, which is one client's.
func transport(headerTimeout time.Duration) http.RoundTripper {
	return &http.Transport{
		DialContext:            opened,
		DialTLSContext:         opened,
		DisableCompression:     true,
		DisableKeepAlives:      true,
		ExpectContinueTimeout:  expectWait,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}

type upstreamKey struct{}

// opened returns the connection that was opened for a request.
func opened(ctx context.Context, _, _ string) (net.Conn, error) {
	return ctx.Value(upstreamKey{}).(net.Conn), nil
}

// roundTrip brings a request to its destination. The error is a *record.Failure. No
// other protocol than HTTP comes back: it would escape the policy.
func (s *Server) roundTrip(r *http.Request, _ *goproxy.ProxyCtx) (*http.Response, error) {
	v, by := sessionOf(r.Context()), s.plain
	if isSecure(r) {
		by = s.secure
	}
	resp, err := by.RoundTrip(r)
	if err != nil {
		return nil, v.failureOf(r, err)
	}
	if f := v.clientGone(r); f != nil {
		_ = resp.Body.Close()
		return nil, f
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		return nil, record.Fail(record.ReasonUpstreamHTTPFailed, errors.New("the destination switches to another protocol"))
	}
	v.streams = true
	removeHopByHop(resp.Header)
	if resp.Body != http.NoBody {
		resp.Body = &responseBody{resp.Body, v, r}
	}
	return resp, nil
}

// hopByHop are headers of one connection, and not of a message (RFC 9110 section
// 7.6.1). An upgrade to another protocol would escape the policy.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Upgrade"}

// removeHopByHop removes the headers of one connection, and those that it names.
func removeHopByHop(h http.Header) {
	for _, list := range h.Values("Connection") {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// outgoing returns the request as it goes to its destination. The HTTP server keeps
// the one that came: it looks at the kind of its body.
func (v *session) outgoing(r *http.Request, upstream net.Conn) *http.Request {
	removeHopByHop(r.Header)
	out := r.WithContext(context.WithValue(r.Context(), upstreamKey{}, &idleConn{upstream, v.idle}))
	if !isSecure(r) { // everybody on the way could read them
		out.Header.Del("Authorization")
		out.Header.Del("Cookie")
		out.Trailer = nil // which may have them too, after the body
	}
	if _, has := out.Header["User-Agent"]; !has {
		out.Header.Set("User-Agent", "") // or net/http would send its own
	}
	if r.Body != http.NoBody {
		out.Body = &requestBody{Reader: r.Body, session: v}
	}
	return out
}

// An idleConn is a connection that fails when nothing moves in it.
type idleConn struct {
	net.Conn

	idle time.Duration
}

// Read implements net.Conn.
func (c *idleConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c *idleConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// A requestBody is the body of a request, on its way to the destination. It notes that
// the client has failed to send it.
type requestBody struct {
	io.Reader

	session *session
	ended   bool
	failure atomic.Pointer[record.Failure]
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	if !b.ended {
		if err := b.session.await(); err != nil {
			return 0, err
		}
	}
	n, err := b.Reader.Read(p)
	if err != nil {
		b.ended = true
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.failure.CompareAndSwap(nil, bodyFailure(err))
	}
	return n, err
}

// Close does nothing. Closing the body of a server's request reads on in it, and a
// client that waits for permission to send it never does; the HTTP server knows.
func (b *requestBody) Close() error { return nil }

// A responseBody is the body of a response, on its way to the client.
type responseBody struct {
	io.ReadCloser

	session *session
	request *http.Request
}

// Read implements io.Reader. A client that has gone makes this program end the request, and
// many a destination then ends its answer as if it were whole. A client that has had all of
// an answer has not gone too early: its last bytes come together with io.EOF.
func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case b.request.Context().Err() != nil:
		b.session.cutOff(clientFailure(b.session.lastErr))
	case errors.Is(err, io.EOF):
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.session.cutOff(record.Fail(record.ReasonIdleTimeout, errors.New("the destination stopped in the middle of its answer")))
	default:
		b.session.cutOff(record.Fail(record.ReasonUpstreamCutOff, errors.New("the destination ended in the middle of its answer")))
	}
	return n, err
}

// failureOf returns why a request failed before there was an answer. What net/http
// says of an answer is not repeated, because it quotes the answer.
func (v *session) failureOf(r *http.Request, err error) *record.Failure {
	if f := v.clientGone(r); f != nil {
		return f
	}
	var f *record.Failure
	var timeout net.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &timeout) && timeout.Timeout():
		return record.Fail(record.ReasonUpstreamTimeout, errors.New("no HTTP answer came in time"))
	}
	return record.Fail(record.ReasonUpstreamHTTPFailed, errors.New("no whole HTTP answer came"))
}

// clientGone returns why a request ended at its client's side; nil if it did not.
func (v *session) clientGone(r *http.Request) *record.Failure {
	if body, ok := r.Body.(*requestBody); ok {
		if f := body.failure.Load(); f != nil {
			return f
		}
	}
	if r.Context().Err() != nil {
		return clientFailure(v.lastErr) // the HTTP server has found that the client has gone
	}
	return nil
}

// asFailure returns the failure that err is.
func asFailure(err error) *record.Failure {
	var f *record.Failure
	if errors.As(err, &f) {
		return f
	}
	return record.Fail(record.ReasonInternal, err)
}

// clientFailure returns why a client did not get its answer; err is from its
// connection.
func clientFailure(err error) *record.Failure {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return record.Fail(record.ReasonIdleTimeout, errors.New("nothing moved between a request and the end of its answer"))
	}
	return record.Fail(record.ReasonClientCutOff, errors.New("the client ended the connection before the end of an answer"))
}

// bodyFailure returns why the body of a request could not be read.
func bodyFailure(err error) *record.Failure {
	var network net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return record.Fail(record.ReasonIdleTimeout, errors.New("the client stopped in the middle of a request"))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return record.Fail(record.ReasonClientCutOff, errors.New("the client ended the connection in the middle of a request"))
	}
	return record.Fail(record.ReasonHTTPRequestInvalid, fmt.Errorf("reading the body of the request: %w", err))
}

// begin begins another request.
func (v *session) begin() {
	v.served = true
	v.Record.Protocol, v.Record.Destination = record.ProtocolHTTP, ""
	v.Record.Reason, v.Record.Err = "", nil
}

// pass notes that a request for plain http is served.
func (v *session) pass() {
	if v.Record.Outcome != record.OutcomeLifted {
		v.Record.Outcome = record.OutcomePassed
	}
}

// lift notes that a request for https is served.
func (v *session) lift() {
	v.Record.Rule, v.Record.Outcome = record.RulePlaintext, record.OutcomeLifted
}

// fail notes a request that was answered with a failure, and the connection ended.
func (v *session) fail(r *http.Request, f *record.Failure) {
	v.served, v.unread = true, r.Body != http.NoBody
	v.Record.Outcome = "" // of what was tried, or of an earlier request
	v.Record.Fail(f)
}

// cutOff notes an answer that was cut off, and why, unless that is known.
func (v *session) cutOff(f *record.Failure) {
	v.broken = true
	if v.Record.Reason == "" {
		v.Record.Fail(f)
	}
}
