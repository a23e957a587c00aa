package mailcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/upstream"
)

const (
	// maxSkew is how far the clocks may differ; Entra itself allows as much.
	maxSkew = 5 * time.Minute
	// maxDetail bounds what is shown of what somebody else has said.
	maxDetail = 500
)

// open prepares the way out, and what gets tokens.
func (c *chain) open() error {
	var err error
	if c.out, err = egress.Config(c.cfg, c.Log(c.cfg)); err != nil {
		return &stepError{err: err, usage: true}
	}
	if c.dialer, err = upstream.New(c.out); err != nil {
		return &stepError{err: err, usage: true}
	}
	client, err := egress.Client(c.out)
	if err != nil {
		return &stepError{err: err, usage: true}
	}
	if c.service, err = mailboxes.New(c.cfg, c.file, client, nil); err != nil {
		return &stepError{err: err, usage: true}
	}
	return nil
}

// byMachine reports whether the token comes from the machine's managed identity, so that
// tlslift itself does not ask Entra.
func (c *chain) byMachine() bool {
	return c.file.Application.ManagedIdentity != "" && !c.mailbox.Delegated
}

// reachEntra opens a page of Entra that everybody may read.
func (c *chain) reachEntra(ctx context.Context) (string, error) {
	if err := c.open(); err != nil {
		return "", err
	}
	if c.byMachine() {
		return "not needed: the managed identity of this machine gives the token", nil
	}
	host := mailboxes.Authority(c.cfg)
	page := url.URL{Scheme: "https", Host: host, Path: "/" + c.file.Tenant + "/v2.0/.well-known/openid-configuration"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page.String(), nil)
	if err != nil {
		return "", &stepError{err: err, usage: true}
	}
	client, err := egress.Client(c.out)
	if err != nil {
		return "", &stepError{err: err, usage: true}
	}
	began := time.Now()
	answer, err := client.Transport.RoundTrip(request) // follows no redirect
	if err != nil {
		return "", entraFailure(host, err)
	}
	_ = answer.Body.Close() // its headers are enough
	if at, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		// The time in the header has whole seconds, from somewhere during the request.
		skew := at.Add(time.Second / 2).Sub(began.Add(time.Since(began) / 2))
		c.skew = &skew
	}
	return fmt.Sprintf("%s:443 answers%s%s", host, versionOf(answer.TLS), c.throughProxy()), nil
}

func versionOf(s *tls.ConnectionState) string {
	if s == nil {
		return ""
	}
	return ", verified " + tls.VersionName(s.Version)
}

// throughProxy names the egress proxy.
func (c *chain) throughProxy() string {
	if c.cfg.UpstreamProxy == nil {
		return ""
	}
	return ", through the proxy " + c.cfg.UpstreamProxy.Host
}

// entraFailure is why a host of Entra cannot be reached. What is wrong with its
// certificate has a remedy of its own.
func entraFailure(host string, err error) error {
	text := fmt.Errorf("%s:443: %s", host, netname.Text(err.Error(), maxDetail))
	var f *record.Failure
	if errors.As(err, &f) {
		switch f.Reason {
		case record.ReasonUpstreamCertExpired, record.ReasonUpstreamCertUntrusted, record.ReasonUpstreamCertName,
			record.ReasonUpstreamCertInvalid:
			return record.Fail(f.Reason, f.Err)
		}
		text = fmt.Errorf("%s:443: %s: %w", host, f.Reason, f.Err)
	}
	return record.Fail(record.ReasonEntraUnreachable, text)
}

// compareClock compares the clocks. One that is wrong makes TLS and certificates of the
// application fail sooner or later; what it does now, the next steps show.
func (c *chain) compareClock(context.Context) (string, error) {
	switch {
	case c.skew == nil:
		return "not known: there was no answer with a time", nil
	case c.skew.Abs() > maxSkew:
		direction := "behind"
		if *c.skew < 0 {
			direction = "ahead of"
		}
		err := fmt.Errorf("this machine's clock is %s %s that of Entra", c.skew.Abs().Round(time.Second), direction)
		return "", &stepError{err: record.Fail(record.ReasonClockSkew, err), goesOn: true}
	}
	return fmt.Sprintf("differs from that of Entra by %s", c.skew.Abs().Round(time.Second)), nil
}

func (c *chain) identity() entra.Identity {
	m := c.mailbox
	return entra.Identity{Mailbox: m.Address, User: m.User, Delegated: m.Delegated, HVE: m.HVE, Protocol: c.Protocol}
}

func (c *chain) getToken(ctx context.Context) (string, error) {
	var err error
	if c.token, err = c.service.Source().Token(ctx, c.identity()); err != nil {
		return "", err
	}
	found := fmt.Sprintf("valid until %s, for %.0f minutes", c.token.Expires.Local().Format(time.DateTime),
		time.Until(c.token.Expires).Minutes())
	if expires, known := c.service.Source().Credential(); known && !c.mailbox.Delegated {
		found += "; the application's certificate expires on " + expires.Local().Format(time.DateOnly)
	}
	return found, nil
}

// readPermission shows the permissions. A token that lacks the one that is needed was
// not given out at all.
func (c *chain) readPermission(context.Context) (string, error) {
	switch {
	case c.token.Roles == nil:
		return "not known: the token is not one that can be read here", nil
	case len(c.token.Roles) == 0:
		return "none in the token: a role of Exchange has to permit the application", nil
	}
	return netname.Text(strings.Join(c.token.Roles, ", "), maxDetail), nil
}
