package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"

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
	return &http.Client{Transport: &http.Transport{
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialTLS(ctx, dialer, network, address)
		},
		DisableKeepAlives:      true, // the next question is far away
		MaxResponseHeaderBytes: maxAnswerHeader,
	}}, nil
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
