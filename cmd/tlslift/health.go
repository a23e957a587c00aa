package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	healthTimeout = 5 * time.Second
	// maxHealthAnswer bounds what is repeated of an answer.
	maxHealthAnswer = 500
)

func (p *program) runHealthcheck(cmd *cobra.Command, _ []string) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	answer, err := healthcheck(cmd.Context(), cfg.AdminListen)
	if err != nil {
		return failed(err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), answer)
	return failed(err)
}

// healthcheck asks the tlslift that has its admin listener on a.
func healthcheck(ctx context.Context, a address) (string, error) {
	if a == "" {
		return "", errors.New(prefix + "ADMIN_LISTEN is empty, so there is nobody to ask; give it an address, or do without the health check")
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(a)+"/readyz", nil)
	if err != nil {
		return "", err
	}
	// A transport of its own: the default one would go through $HTTP_PROXY.
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("asking %s: %w; is tlslift running with the same %sADMIN_LISTEN?", request.URL, systemError(err), prefix)
	}
	defer response.Body.Close() // only read from
	text, err := io.ReadAll(io.LimitReader(response.Body, maxHealthAnswer))
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", request.URL, err)
	}
	answer := strings.Join(strings.Fields(string(text)), " ")
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not ready: %s", answer)
	}
	return answer, nil
}

// reachable turns an address to listen on into one to connect to: a listener
// on all addresses of the machine is asked over loopback.
func reachable(a address) string {
	host, port, err := net.SplitHostPort(string(a))
	if err != nil {
		return string(a)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case err == nil && ip == netip.IPv6Unspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
