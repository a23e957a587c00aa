package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// maxAnswerHeader is far above what the web service sends.
const maxAnswerHeader = 64 << 10

// listClient reaches the web service as destinations are reached: verified,
// and through the egress proxy if there is one.
func listClient(out upstream.Config) (*http.Client, error) {
	dialer, err := upstream.New(out)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialTLS(ctx, dialer, network, address)
		},
		DisableKeepAlives:      true, // the next question is an hour away
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
