package service

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/sandbox"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/signin"
)

// A confinement is what the sandbox leaves the process; the zero value is all that its
// user may do.
type confinement struct {
	limits *sandbox.Limits
}

// envLimits is the variable that tells a successor what the sandbox of the process before
// it leaves both: it cannot be left.
const envLimits = "SANDBOX_LIMITS"

// inheritedConfinement returns that of the process before this one.
func inheritedConfinement(environ map[string]string, isSuccessor bool) (confinement, error) {
	text := environ[envLimits]
	if !isSuccessor || text == "" {
		return confinement{}, nil
	}
	var limits sandbox.Limits
	if err := json.Unmarshal([]byte(text), &limits); err != nil {
		return confinement{}, UsageError{fmt.Errorf("%s: %w", envLimits, err)}
	}
	return confinement{limits: &limits}, nil
}

// environ returns an environment with what a successor has to know of the confinement.
func (c confinement) environ(of map[string]string) (map[string]string, error) {
	all := maps.Clone(of)
	delete(all, envLimits)
	if c.limits == nil {
		return all, nil
	}
	text, err := json.Marshal(c.limits)
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", envLimits, err)
	}
	if all == nil {
		all = map[string]string{}
	}
	all[envLimits] = string(text)
	return all, nil
}

// confine enters the sandbox, unless it is switched off: inside that of the process before
// this one, if there is one.
func (c confinement) confine(o Options, m *mailboxes.Service, log *slog.Logger) (confinement, error) {
	if o.Confine == nil || !bool(o.Settings.Sandbox) {
		return c, nil
	}
	limits := sandbox.OfService(o.Settings, application(m), sandbox.Own{EnvFile: o.EnvFile, Command: o.Command})
	enforced, err := o.Confine(limits)
	if err != nil {
		return confinement{}, fmt.Errorf("%w; to go on without it, set %sSANDBOX=false", err, settings.Prefix)
	}
	if enforced == "" {
		log.Debug("this system has no Landlock, so only the rights of its user limit tlslift")
		return confinement{}, nil
	}
	log.Debug("entered the sandbox", "limited", enforced)
	if c.limits != nil {
		limits = limits.Within(*c.limits)
	}
	return confinement{limits: &limits}, nil
}

// warn tells of what the settings need that the sandbox, which cannot be left, does not
// permit.
func (c confinement) warn(o Options, cfg *settings.Config, m *mailboxes.Service, log *slog.Logger) {
	if c.limits == nil {
		return
	}
	wanted := sandbox.OfService(cfg, application(m), sandbox.Own{EnvFile: o.EnvFile, Command: o.Command})
	if beyond := c.limits.Beyond(wanted); len(beyond) > 0 {
		log.Warn("what has been read needs more than tlslift may do since its start", "denied", strings.Join(beyond, ", "),
			"remedy", "restart tlslift")
	}
}

// application returns how tlslift signs in; it is empty if it does so for nobody.
func application(m *mailboxes.Service) signin.Application {
	if m == nil {
		return signin.Application{}
	}
	return m.File().Application
}
