package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/statefile"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/upstream"
)

const (
	// maxAnswerHeader is far above what the web service sends.
	maxAnswerHeader = 64 << 10
	// maxOmissionLines bounds the log lines about one list.
	maxOmissionLines = 50
)

// loadList puts the saved list into force and prepares to ask for newer ones, if
// M365_REFRESH is on. Before it, the policy is the built-in one.
func (s *service) loadList(m *metrics.Metrics) error {
	published := s.policy.List().Published()
	checked := func(at time.Time) {
		m.SetEndpointsChecked(at)
		s.showList(at)
	}
	checked(published)
	if !s.cfg.Refresh {
		return nil
	}
	client, err := listClient(s.upstream)
	if err != nil {
		return err
	}
	s.refresher, err = m365.NewRefresher(m365.RefreshConfig{
		Instance: s.cfg.Instance,
		BuiltIn:  m365.VersionOf(published),
		Client:   client,
		Store:    statefile.Endpoints(s.cfg),
		Accept:   s.takeList,
		Report: func(r m365.RefreshResult) {
			m.CountRefresh(string(r.Outcome))
			checked(r.Current)
		},
		Log: s.log,
	})
	if err != nil {
		return err
	}
	if current := s.refresher.Load(); current.After(published) {
		checked(current)
	}
	return nil
}

// takeList puts a list into force. It is called at the start, for a list that
// was saved, and then by the one goroutine that asks for others.
func (s *service) takeList(version string, text []byte) error {
	list, err := m365.ParseList(s.cfg.Instance, version, text)
	if err != nil {
		return err
	}
	p, err := m365.NewFrom(list, s.cfg.Destinations)
	if err != nil {
		return err
	}
	before := s.policy
	s.policy = p
	added, removed := policy.Difference(before.Endpoints(), p.Endpoints())
	s.log.Info("a list of Microsoft 365 endpoints is in force", "version", version, "endpoints", len(p.Endpoints()),
		"added", strings.Join(added, " "), "removed", strings.Join(removed, " "))
	if s.proxy == nil {
		return nil // a saved list: the rest was said when it was new
	}
	s.proxy.SetPolicy(p)
	s.warnOmissions(list)
	s.warnUncovered(slices.DeleteFunc(uncovered(p, s.ca), func(domain string) bool {
		return slices.Contains(before.Domains(), domain)
	}))
	return nil
}

// warnOmissions names the hosts that are new and not allowed.
func (s *service) warnOmissions(list m365.List) {
	lines := 0
	for _, omission := range list.Omissions() {
		if omission.Known {
			continue
		}
		if lines++; lines > maxOmissionLines {
			s.log.Warn("more hosts of the list of Microsoft 365 endpoints are left out", "version", list.Version())
			return
		}
		s.log.Warn("a host of the list of Microsoft 365 endpoints is left out", "host", omission.Host, "row", omission.Row, "cause", omission.Why,
			"remedy", "if clients need it and you know who runs it, add it with its port to "+settings.Prefix+"DESTINATIONS")
	}
}

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
