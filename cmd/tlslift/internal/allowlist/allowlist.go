// Package allowlist keeps what clients may reach: the list of Microsoft 365 endpoints that
// is built in, and newer ones.
package allowlist

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/statefile"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
)

// maxOmissionLines bounds the log lines about one list.
const maxOmissionLines = 50

// An Allowlist is what clients may reach: the policy in force, and what keeps it
// up to date.
type Allowlist struct {
	log *slog.Logger

	mu  sync.Mutex // held while the policy is replaced
	cfg *settings.Config
	// policy is the one in force.
	policy *m365.Policy
	// refresher is nil when M365_REFRESH is off.
	refresher *m365.Refresher
	// shown is the list in force for the status page.
	shown atomic.Pointer[statuspage.Endpoints]
	// proxy and ca are nil until they are built, for which the policy is needed.
	proxy *proxy.Server
	ca    *localca.CA
}

// New returns the built-in list.
func New(cfg *settings.Config, log *slog.Logger) (*Allowlist, error) {
	builtIn, err := m365.New(cfg.Instance, cfg.Destinations)
	if err != nil {
		return nil, fmt.Errorf("%sDESTINATIONS: %w", settings.Prefix, err)
	}
	return &Allowlist{cfg: cfg, log: log, policy: builtIn}, nil
}

// Use puts the policy into force in the proxy, and all that come after it.
func (a *Allowlist) Use(p *proxy.Server, ca *localca.CA) {
	a.proxy, a.ca = p, ca
	p.SetPolicy(a.policy)
}

// Policy returns the policy in force. It is for before Refresh.
func (a *Allowlist) Policy() *m365.Policy { return a.policy }

// Allows reports whether the policy in force allows a destination.
func (a *Allowlist) Allows(to policy.Destination) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := a.policy.Check(to.Host, to.Port)
	return err == nil
}

// Mail returns where listeners without a destination bring mail.
func (a *Allowlist) Mail() m365.Mail {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.policy.Mail()
}

// Change puts the policy into force that follows from other settings with the list in
// force: with use, unless that fails. Then nothing has changed.
func (a *Allowlist) Change(cfg *settings.Config, ca *localca.CA, use func(*m365.Policy) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := m365.NewFrom(a.policy.List(), cfg.Destinations)
	if err != nil {
		return fmt.Errorf("%sDESTINATIONS: %w", settings.Prefix, err)
	}
	if err := use(p); err != nil {
		return err
	}
	before := a.uncovered()
	a.cfg, a.policy, a.ca = cfg, p, ca
	a.show(a.Shown().Checked)
	a.warnUncovered(slices.DeleteFunc(a.uncovered(), func(domain string) bool { return slices.Contains(before, domain) }))
	return nil
}

// Shown returns the list in force for the status page.
func (a *Allowlist) Shown() statuspage.Endpoints { return *a.shown.Load() }

// Refresh asks for newer lists until ctx is done, if M365_REFRESH is on.
func (a *Allowlist) Refresh(ctx context.Context) {
	if a.refresher != nil {
		a.refresher.Run(ctx)
	}
}

// Load puts the saved list into force and prepares to ask for newer ones, if
// M365_REFRESH is on. Before it, the policy is the built-in one.
func (a *Allowlist) Load(web *http.Client, m *metrics.Metrics) error {
	published := a.policy.List().Published()
	checked := func(at time.Time) {
		m.SetEndpointsChecked(at)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.show(at)
	}
	checked(published)
	if !a.cfg.Refresh {
		return nil
	}
	var err error
	a.refresher, err = m365.NewRefresher(m365.RefreshConfig{
		Instance: a.cfg.Instance,
		BuiltIn:  m365.VersionOf(published),
		Client:   web,
		Store:    statefile.Endpoints(a.cfg),
		Accept:   a.take,
		Report: func(r m365.RefreshResult) {
			m.CountRefresh(string(r.Outcome))
			checked(r.Current)
		},
		Log: a.log,
	})
	if err != nil {
		return err
	}
	if current := a.refresher.Load(); current.After(published) {
		checked(current)
	}
	return nil
}

// take puts a list into force. It is called at the start, for a list that
// was saved, and then by the one goroutine that asks for others.
func (a *Allowlist) take(version string, text []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	list, err := m365.ParseList(a.cfg.Instance, version, text)
	if err != nil {
		return err
	}
	p, err := m365.NewFrom(list, a.cfg.Destinations)
	if err != nil {
		return err
	}
	before := a.policy
	a.policy = p
	added, removed := policy.Difference(before.Endpoints(), p.Endpoints())
	a.log.Info("a list of Microsoft 365 endpoints is in force", "version", version, "endpoints", len(p.Endpoints()),
		"added", strings.Join(added, " "), "removed", strings.Join(removed, " "))
	if a.proxy == nil {
		return nil // a saved list: the rest was said when it was new
	}
	a.proxy.SetPolicy(p)
	a.warnOmissions(list)
	a.warnUncovered(slices.DeleteFunc(a.uncovered(), func(domain string) bool {
		return slices.Contains(a.cfg.CADomains(before.Policy), domain)
	}))
	return nil
}

// warnOmissions names the hosts that are new and not allowed.
func (a *Allowlist) warnOmissions(list m365.List) {
	lines := 0
	for _, omission := range list.Omissions() {
		if omission.Known {
			continue
		}
		if lines++; lines > maxOmissionLines {
			a.log.Warn("more hosts of the list of Microsoft 365 endpoints are left out", "version", list.Version())
			return
		}
		a.log.Warn("a host of the list of Microsoft 365 endpoints is left out",
			"host", omission.Host, "row", omission.Row, "cause", omission.Why,
			"remedy", "if clients need it and you know who runs it, add it with its port to "+settings.Prefix+"DESTINATIONS")
	}
}

// WarnUncovered names the domains that the CA may not sign for.
func (a *Allowlist) WarnUncovered() { a.warnUncovered(a.uncovered()) }

func (a *Allowlist) warnUncovered(domains []string) {
	if len(domains) == 0 {
		return
	}
	a.log.Warn("the CA may not sign for some destinations, so clients that are lifted to them may reject its certificates",
		"domains", strings.Join(domains, ","),
		"remedy", "tlslift ca rotate makes a new CA that may; both are in use until the clients have the new one")
}

// uncovered returns the domains of the policy that an older CA, made for other
// destinations, may not sign for.
func (a *Allowlist) uncovered() []string {
	return slices.DeleteFunc(a.cfg.CADomains(a.policy.Policy), a.ca.Covers)
}

// show shows the policy in use on the status page. The caller holds mu.
func (a *Allowlist) show(checked time.Time) {
	list := a.policy.List()
	shown := &statuspage.Endpoints{
		Instance:  list.Instance().String(),
		List:      list.String(),
		Checked:   checked,
		Refreshed: bool(a.cfg.Refresh),
	}
	for _, e := range a.policy.Endpoints() {
		if e.HasPort(443) {
			shown.Patterns = append(shown.Patterns, e.Pattern())
		}
	}
	slices.Sort(shown.Patterns)
	shown.Patterns = slices.Compact(shown.Patterns)
	a.shown.Store(shown)
}
