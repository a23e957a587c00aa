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

	"github.com/elazarl/goproxy"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
)

func (s *Server) handler() http.Handler {
	p := goproxy.NewProxyHttpServer()
	p.Logger = log.New(io.Discard, "", 0)
	p.ConnectDial = nil // the environment's proxy settings are not ours
	p.KeepAcceptEncoding = true
	p.NonproxyHandler = http.HandlerFunc(rejectDirect)
	p.Tr = &http.Transport{
		DialContext:            s.dial,
		DisableCompression:     true,
		DisableKeepAlives:      true, // NTLM authenticates a connection, which is one client's
		ResponseHeaderTimeout:  s.cfg.HandshakeTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
	p.OnRequest().HandleConnectFunc(connect)
	p.OnRequest().DoFunc(s.request)
	p.OnResponse().DoFunc(respond)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := sessionOf(r.Context())
		v.handling = true
		p.ServeHTTP(&responseWriter{ResponseWriter: w, session: v, connect: r.Method == http.MethodConnect}, r)
	})
}

// dial reaches the destination of a plain request, which Check has allowed.
func (s *Server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HandshakeTimeout)
	defer cancel()
	return s.cfg.Dial(ctx, network, address)
}

// rejectDirect answers a request that is not meant for a proxy.
func rejectDirect(w http.ResponseWriter, r *http.Request) {
	f := record.Fail(record.ReasonHTTPRequestInvalid, errors.New("this is an HTTP proxy; the request names no destination"))
	sessionOf(r.Context()).fail(f)
	w.Header().Set("Connection", "close")
	http.Error(w, explain(f), f.Reason.HTTPStatus())
}

// request allows or rejects a request for plain http, as in the download of a
// certificate revocation list.
func (s *Server) request(r *http.Request, _ *goproxy.ProxyCtx) (*http.Request, *http.Response) {
	v := sessionOf(r.Context())
	v.served = true
	v.record.Protocol = record.ProtocolHTTP
	if f := s.check(r, v.record); f != nil {
		v.fail(f)
		return r, response(r, f)
	}
	v.record.Outcome, v.record.Reason, v.record.Err = record.OutcomePassed, "", nil
	r.Header.Del("Upgrade") // a switched protocol would escape the policy
	return r, nil
}

func (s *Server) check(r *http.Request, rec *record.Record) *record.Failure {
	if r.URL.Scheme != "http" {
		return record.Fail(record.ReasonHTTPRequestInvalid, fmt.Errorf("scheme %q: use CONNECT for anything but http", r.URL.Scheme))
	}
	target := r.URL.Host
	if r.URL.Port() == "" {
		target = net.JoinHostPort(r.URL.Hostname(), "80")
	}
	dest, err := s.cfg.Check(target)
	if err != nil {
		return failureOf(err)
	}
	// Plain http to a port of TLS or mail would be without TLS where TLS is due,
	// and could carry commands of mail.
	if dest.Port == listener.DefaultTLSPort || listener.MailPort(dest.Port) != "" {
		return record.Fail(record.ReasonPortNotAllowed, fmt.Errorf("port %d is for TLS or mail, and never for plain http", dest.Port))
	}
	rec.Destination = dest.String()
	return nil
}

// respond turns a failure of the round trip into an answer with its reason. No
// other protocol than HTTP comes back: it would escape the policy.
func respond(resp *http.Response, ctx *goproxy.ProxyCtx) *http.Response {
	var f *record.Failure
	switch {
	case resp != nil && resp.StatusCode == http.StatusSwitchingProtocols:
		_ = resp.Body.Close()
		f = record.Fail(record.ReasonUpstreamHTTPFailed, errors.New("the destination switches to another protocol"))
	case resp != nil:
		resp.Header.Del("Upgrade")
		return resp
	case ctx.Error == nil:
		return nil
	default:
		f = failureOf(ctx.Error)
	}
	sessionOf(ctx.Req.Context()).fail(f)
	return response(ctx.Req, f)
}

// failureOf returns why a round trip failed. What net/http says of an answer is
// not repeated, because it quotes the answer.
func failureOf(err error) *record.Failure {
	var f *record.Failure
	switch {
	case errors.As(err, &f) && f.Reason != record.ReasonUpstreamUnreachable:
		return f
	case errors.Is(err, context.Canceled):
		return record.Fail(record.ReasonCutOff, err)
	}
	return record.Fail(record.ReasonUpstreamHTTPFailed, errors.New("no whole HTTP answer came in time"))
}

func response(r *http.Request, f *record.Failure) *http.Response {
	resp := goproxy.NewResponse(r, "text/plain; charset=utf-8", f.Reason.HTTPStatus(), explain(f))
	resp.Header.Set("Connection", "close")
	return resp
}

// explain returns the body of a refusal: what happened and what to change.
func explain(f *record.Failure) string {
	text := fmt.Sprintf("tlslift: %s\n%s\nReason: %s\n", f.Reason.Cause(), f.Reason.Remedy(), f.Reason)
	if f.Err != nil {
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
