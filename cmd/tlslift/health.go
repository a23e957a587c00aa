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

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics"
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
	answer, err := healthcheck(cmd.Context(), cfg)
	if err != nil {
		return failed(err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), answer)
	return failed(err)
}

// healthcheck asks the tlslift that has its admin listener at the same address.
func healthcheck(ctx context.Context, cfg *settings.Config) (string, error) {
	a := cfg.AdminListen
	if a == "" {
		return "", errors.New(settings.Prefix + "ADMIN_LISTEN is empty, so there is nobody to ask; give it an address, or do without the health check")
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	transport, scheme, err := adminTransport(cfg)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+reachable(a)+"/readyz", nil)
	if err != nil {
		return "", err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("asking %s: %w; is tlslift running with the same %[3]sADMIN_LISTEN and %[3]sADMIN_WEB_CONFIG_FILE?", request.URL, settings.SystemError(err), settings.Prefix)
	}
	defer response.Body.Close() // only read from
	text, err := io.ReadAll(io.LimitReader(response.Body, maxHealthAnswer))
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", request.URL, err)
	}
	if response.StatusCode == http.StatusUnauthorized {
		return "running; it asks for a password, so whether it is ready is not known", nil
	}
	answer := strings.Join(strings.Fields(string(text)), " ")
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not ready: %s", answer)
	}
	return answer, nil
}

// adminTransport reaches the admin address by the scheme that it returns. It is
// a transport of its own: the default one would go through $HTTP_PROXY.
func adminTransport(c *settings.Config) (*http.Transport, string, error) {
	secure, err := metrics.WebClientTLS(c.AdminWebConfig)
	if err != nil {
		return nil, "", fmt.Errorf("%sADMIN_WEB_CONFIG_FILE: %w", settings.Prefix, err)
	}
	scheme := "http"
	if secure != nil {
		scheme = "https"
	}
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: secure}, scheme, nil
}

// reachable turns an address to listen on into one to connect to: a listener
// on all addresses of the machine is asked over loopback.
func reachable(a settings.Address) string {
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
