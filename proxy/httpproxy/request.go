package httpproxy

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/elazarl/goproxy"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

func (s *Server) handler() http.Handler {
	p := goproxy.NewProxyHttpServer()
	p.Logger = log.New(io.Discard, "", 0)
	p.ConnectDial = nil // the environment's proxy settings are not ours
	p.KeepAcceptEncoding = true
	p.NonproxyHandler = http.HandlerFunc(rejectDirect)
	p.OnRequest().HandleConnectFunc(connect)
	p.OnRequest().DoFunc(s.request)
	p.OnResponse().DoFunc(respond)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := sessionOf(r.Context())
		v.handling, v.streams = true, false
		p.ServeHTTP(&responseWriter{ResponseWriter: w, session: v, connect: r.Method == http.MethodConnect}, r)
		if v.broken {
			panic(http.ErrAbortHandler) // half an answer must not look whole
		}
	})
}

// rejectDirect answers a request that is not meant for a proxy.
func rejectDirect(w http.ResponseWriter, r *http.Request) {
	f := record.Fail(record.ReasonHTTPRequestInvalid, errors.New("this is an HTTP proxy; the request names no destination"))
	sessionOf(r.Context()).fail(r, f)
	w.Header().Set("Connection", "close")
	http.Error(w, explain(f), f.Reason.HTTPStatus())
}

// request allows or rejects a request that is no CONNECT, and connects to its
// destination: for plain http, for example the download of a certificate revocation list,
// or for https of a client that has no TLS.
func (s *Server) request(r *http.Request, ctx *goproxy.ProxyCtx) (*http.Request, *http.Response) {
	v := sessionOf(r.Context())
	v.begin()
	upstream, f := s.reach(r, v)
	if f != nil {
		v.fail(r, f)
		return r, response(r, f)
	}
	ctx.RoundTripper = goproxy.RoundTripperFunc(s.roundTrip)
	return v.outgoing(r, upstream), nil
}

// reach connects to the destination of a request, if that is allowed.
func (s *Server) reach(r *http.Request, v *session) (net.Conn, *record.Failure) {
	dest, f := s.check(r)
	if f != nil {
		return nil, f
	}
	v.Record.Destination = dest.String()
	secure := isSecure(r)
	switch {
	case !secure:
		v.pass()
	case !v.Plaintext:
		return nil, record.Fail(record.ReasonPlaintextNotAllowed, errors.New("the request is for an https:// address, and came without TLS"))
	default:
		v.lift()
	}
	upstream, err := v.Dial(r.Context(), dest, secure)
	if err != nil {
		return nil, v.failureOf(r, err)
	}
	return upstream, nil
}

// isSecure reports whether a request is for https.
func isSecure(r *http.Request) bool { return r.URL.Scheme == "https" }

// check returns the destination of a request, if it is allowed.
func (s *Server) check(r *http.Request) (policy.Destination, *record.Failure) {
	port := listener.DefaultTLSPort
	switch r.URL.Scheme {
	case "https":
	case "http":
		port = 80
	default:
		return policy.Destination{}, record.Fail(record.ReasonHTTPRequestInvalid,
			fmt.Errorf("scheme %q: use CONNECT for anything but http and https", r.URL.Scheme))
	}
	target := r.URL.Host
	if r.URL.Port() == "" {
		target = net.JoinHostPort(r.URL.Hostname(), strconv.Itoa(port))
	}
	dest, err := s.cfg.Check(target)
	if err != nil {
		return policy.Destination{}, asFailure(err)
	}
	if f := s.checkKind(r, dest); f != nil {
		return policy.Destination{}, f
	}
	return dest, nil
}

// plainMethods are what a download of a certificate or of a revocation list takes, and
// OCSP.
var plainMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost}

// checkKind refuses what must not be asked of a destination this way. Any http to a port
// of mail could carry commands of mail. Plain http to another port than 80 would reach a
// mail server on an odd port without TLS, and to a host with TLS be without it where it
// is due.
func (s *Server) checkKind(r *http.Request, dest policy.Destination) *record.Failure {
	var err error
	switch {
	case listener.MailPort(dest.Port) != "":
		err = fmt.Errorf("port %d is for mail, and never for http", dest.Port)
	case isSecure(r):
		return nil
	case dest.Port != 80:
		err = fmt.Errorf("plain http goes to port 80 only, and not to %d", dest.Port)
	case !s.cfg.HasPlainHTTP(dest.Host):
		err = errors.New("plain http goes only to hosts that an entry allows with port 80 alone, such as those of revocation lists")
	case !slices.Contains(plainMethods, r.Method):
		f := record.Fail(record.ReasonHTTPRequestInvalid, errors.New("plain http is for GET, HEAD and POST only"))
		f.HTTP = http.StatusMethodNotAllowed
		return f
	default:
		return nil
	}
	return record.Fail(record.ReasonPortNotAllowed, err)
}

// respond turns a failure of the round trip into an answer with its reason. A connection
// ends after the answer to plain http: each such request has a record of its own.
func respond(resp *http.Response, ctx *goproxy.ProxyCtx) *http.Response {
	if resp != nil && !isSecure(ctx.Req) {
		resp.Header.Set("Connection", "close")
	}
	if resp != nil || ctx.Error == nil {
		return resp
	}
	f := asFailure(ctx.Error)
	sessionOf(ctx.Req.Context()).fail(ctx.Req, f)
	return response(ctx.Req, f)
}

func response(r *http.Request, f *record.Failure) *http.Response {
	resp := goproxy.NewResponse(r, "text/plain; charset=utf-8", cmp.Or(f.HTTP, f.Reason.HTTPStatus()), explain(f))
	resp.Header.Set("Connection", "close")
	return resp
}

// explain returns the body of a refusal: what happened and what to change. The detail is in
// it if it is of the request, and not of what tlslift did for it.
func explain(f *record.Failure) string {
	text := fmt.Sprintf("tlslift: %s\n%s\nReason: %s\n", f.Reason.Cause(), f.Reason.Remedy(), f.Reason)
	if f.Err != nil && f.Reason.Echoes() && !errors.As(f.Err, new(*net.OpError)) {
		text += fmt.Sprintf("Detail: %s\n", f.Err)
	}
	return text
}

// Refusal returns a whole HTTP response that refuses a client, in its version of
// HTTP.
func Refusal(proto string, f *record.Failure) []byte {
	code, body := cmp.Or(f.HTTP, f.Reason.HTTPStatus()), explain(f)
	return fmt.Appendf(nil, "%s %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		proto, code, http.StatusText(code), len(body), body)
}
