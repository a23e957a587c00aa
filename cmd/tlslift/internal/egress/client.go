package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// maxAnswerHeader is far above what web services send.
const maxAnswerHeader = 64 << 10

// Client returns an HTTP client that reaches web services as destinations are reached:
// verified, and through the egress proxy if there is one.
func Client(out upstream.Config) (*http.Client, error) {
	dialer, err := upstream.New(out)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: transport{&http.Transport{
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialTLS(ctx, dialer, network, address)
		},
		DisableKeepAlives:      true, // the next question is far away
		MaxResponseHeaderBytes: maxAnswerHeader,
	}}}, nil
}

// A Way is a client of web services whose way out may change. It is safe for concurrent
// use.
type Way struct {
	Client *http.Client
	now    atomic.Pointer[http.RoundTripper]
}

// NewWay returns a Way.
func NewWay(out upstream.Config) (*Way, error) {
	w := &Way{}
	w.Client = &http.Client{Transport: w}
	change, err := w.Prepare(out)
	if err != nil {
		return nil, err
	}
	change()
	return w, nil
}

// Prepare returns what changes the way for the requests that come then.
func (w *Way) Prepare(out upstream.Config) (change func(), err error) {
	client, err := Client(out)
	if err != nil {
		return nil, err
	}
	return func() { w.now.Store(&client.Transport) }, nil
}

// RoundTrip implements http.RoundTripper.
func (w *Way) RoundTrip(r *http.Request) (*http.Response, error) { return (*w.now.Load()).RoundTrip(r) }

// A transport sends requests, and leaves nothing behind of one that has ended.
type transport struct{ *http.Transport }

// RoundTrip sends a request. net/http goes on to dial for a request that has ended, since
// another one could use the connection; here that would be for as long as the peer is
// silent.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.Transport.RoundTrip(r)
	if err != nil {
		t.CloseIdleConnections() // and end what is dialed for nobody
	}
	return answer, err
}

func dialTLS(ctx context.Context, dialer *upstream.Dialer, network, address string) (net.Conn, error) {
	to, err := policy.ParseDestination(address)
	if err != nil {
		return nil, err
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secure, err := dialer.Handshake(ctx, conn, to.Host, to.Port, nil)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("opening TLS: %w", err)
	}
	return secure, nil
}
