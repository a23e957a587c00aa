package service

import (
	"fmt"
	"log/slog"
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

// confine enters the sandbox, unless it is switched off.
func confine(o Options, m *mailboxes.Service, log *slog.Logger) (confinement, error) {
	if o.Confine == nil || !bool(o.Settings.Sandbox) {
		return confinement{}, nil
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
