package service

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/sdnotify"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/signin"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A reading is a whole configuration: the settings, and what is in the files that they
// name. It is read and checked before anything of it is in force.
type reading struct {
	cfg      *settings.Config
	restart  []string // settings that have changed, and are as before until the next start
	clients  *clientfile.Table
	signIn   *signin.Config  // nil for none
	upstream upstream.Config // with roots and client certificate
	ca       *localca.CA
	listed   *m365.Policy // the built-in list, which the listeners are checked with
}

// readClients reads the clients file and the sign-in file.
func (r *reading) readClients() error {
	var err error
	if r.clients, err = r.cfg.ClientTable(); err != nil {
		return err
	}
	r.signIn, err = r.cfg.SignIn(r.clients)
	return err
}

// read reads the whole configuration again.
func (s *Service) read() (*reading, error) {
	cfg, err := s.options.Load()
	if err != nil {
		return nil, err
	}
	r := &reading{cfg: cfg, restart: cfg.Keep(s.cfg)}
	if err := r.readClients(); err != nil && len(r.restart) > 0 {
		return nil, fmt.Errorf("%w; %s changed too, but only a restart takes that in", err, strings.Join(r.restart, ", "))
	} else if err != nil {
		return nil, err
	}
	if r.clients.Len() == 0 && s.clients.Load().Len() > 0 && cfg.ClientsFile != "" { // as after a full disk
		return nil, fmt.Errorf("%sCLIENTS_FILE: %s has no clients; to go on without any, restart tlslift", settings.Prefix, cfg.ClientsFile)
	}
	if r.upstream, err = egress.Config(cfg, s.log); err != nil {
		return nil, err
	}
	if r.ca, err = localca.Reopen(s.ca); err != nil {
		return nil, fmt.Errorf("%sSTATE_DIR: %w", settings.Prefix, err)
	}
	if r.listed, err = m365.New(cfg.Instance, cfg.Destinations); err != nil {
		return nil, fmt.Errorf("%sDESTINATIONS: %w", settings.Prefix, err)
	}
	return r, nil
}

// reload reads the configuration again and puts all of it into force, or with a mistake
// nothing. Connections that are open keep the one with which they began.
func (s *Service) reload() {
	if s.ready() != nil {
		return // what is read now would serve nobody
	}
	s.systemd.tell(sdnotify.Reloading())
	defer func() { s.systemd.tell(sdnotify.Ready, s.status()) }()
	r, err := s.read()
	if err == nil {
		err = s.use(r)
	}
	s.metrics.SetReloaded(err == nil, time.Now())
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			s.log.Error("reading the configuration again; what was read before stays in force", "error", line)
		}
		return
	}
	if len(r.restart) > 0 {
		s.log.Warn("some settings have changed, and stay as they were until tlslift is restarted", "settings", strings.Join(r.restart, ","))
	}
	boxes := 0
	if r.signIn != nil {
		boxes = len(r.signIn.Mailboxes())
	}
	s.confined.warn(s.options, s.cfg, s.mailboxes.now.Load(), s.log)
	s.log.Info("read the configuration again", "clients", r.clients.Len(), "mailboxes", boxes)
}

// use puts a reading into force. With an error, nothing has changed.
func (s *Service) use(r *reading) error {
	change, err := s.mailboxes.prepare(r)
	if err != nil {
		return err
	}
	turn, err := s.web.Prepare(r.upstream)
	if err == nil {
		err = s.replace(r, change)
	}
	if err != nil {
		change.drop()
		return err
	}
	turn()
	s.prober.Use(r.upstream)
	change.commit()
	if r.ca != s.ca {
		s.watching.of(r.ca, s.log)
		s.lists.Use(r.ca)
	}
	s.cfg, s.ca = r.cfg, r.ca
	s.level.Set(slog.Level(r.cfg.LogLevel))
	s.metrics.SetCA(r.ca.Certificate().NotAfter, r.ca.Issued, r.ca.FileProblem)
	s.known.rename(s.clients.Load())
	return nil
}

// replace replaces the configuration of the proxy, which is what connections see.
func (s *Service) replace(r *reading, change *signInChange) error {
	show := func() {} // the pages have the time of the start, so that they stay if they can
	if r.ca != s.ca {
		shown, err := s.pagesOf(r.ca)
		if err != nil {
			return err
		}
		show = func() { s.pages.show(shown) }
	}
	parts := s.proxyConfig(r, change.service)
	parts.Clients = r.clients.WithHosts(s.inventory.HostOf)
	err := s.allowed.Change(r.cfg, r.ca, func(p *m365.Policy) error { return s.proxy.Replace(parts, p) })
	if err != nil {
		return err
	}
	s.clients.Store(parts.Clients)
	show()
	return nil
}
