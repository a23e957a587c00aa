// Package service runs tlslift: it builds the parts from the settings, opens the
// listeners, and serves until a signal stops it.
//
// It reads no environment and no command line: that is done before.
package service

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/allowlist"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/crl"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/openfiles"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/probe"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/sandbox"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/sdnotify"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/statefile"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/successor"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/secretfile"
	"github.com/tlslift/tlslift/proxy/ticketkeys"
	"github.com/tlslift/tlslift/proxy/turns"
)

// Options are what a Service is made from; all are required but those that say so.
type Options struct {
	Settings *settings.Config
	// Load reads the settings again.
	Load func() (*settings.Config, error)
	// Log is where log lines and the start message are written to.
	Log *logging.Writer
	// Version and Revision are those of the program.
	Version, Revision string
	// Confine enters the sandbox once everything is open, and returns what the system
	// enforces of it; nil means that there is none.
	Confine func(sandbox.Limits) (enforced string, err error)
	// Environ is the environment, which says what the process inherits and who wants to
	// be told of it.
	Environ map[string]string
	// EnvFile is the file with settings; empty means none.
	EnvFile string
	// Command is the path of the program and its arguments, for a successor.
	Command []string
	// Managed is a service manager that sends no signals; nil means that signals decide.
	Managed *Managed
}

// A Service is the parts, built and put together.
type Service struct {
	options Options
	cfg     *settings.Config
	room    openfiles.Room // for connections
	log     *slog.Logger
	repeats *logging.Repeats
	level   slog.LevelVar // of the log
	allowed *allowlist.Allowlist
	web     *egress.Way // to web services
	ca      *localca.CA
	lists   *crl.Lists
	tickets *ticketkeys.Keys
	turns   *turns.Queue
	proxy   *proxy.Server
	admin   *adminServer
	public  *adminServer // for devices
	known
	events    *events
	opened    opened
	before    *successor.Predecessor // nil unless this process is a successor
	systemd   systemd
	mailboxes signIn
	pages     site
	watching  caWatch
	prober    *probe.Prober
	phase     atomic.Pointer[phase]
	confined  confinement
}

// A phase is why a service is not ready; ready is empty.
type phase string

const (
	starting phase = "starting"
	ready    phase = ""
	stopping phase = "stopping: open connections may end, new ones are not accepted"
)

func (s *Service) enter(p phase) { s.phase.Store(&p) }

// ready returns what /readyz answers. The CA exists before there is a service.
func (s *Service) ready() error {
	if p := *s.phase.Load(); p != ready {
		return errors.New(string(p))
	}
	return nil
}

// newService builds the parts; it opens no listener.
func newService(o Options) (*Service, error) {
	turns.ShareProcessor()
	cfg := o.Settings
	s := &Service{options: o, cfg: cfg, turns: turns.New(turns.Config{GroupBits: int(cfg.ClientIPv6Prefix)})}
	s.level.Set(slog.Level(cfg.LogLevel))
	s.log, s.repeats = logging.New(o.Log, logging.Options{Level: &s.level, JSON: LogOptions(cfg).JSON})
	s.enter(starting)
	s.room = openfiles.Fit(int(cfg.MaxConns), len(cfg.TrustedProxies) > 0)
	s.systemd.notifier, s.systemd.log = sdnotify.New(o.Environ), s.log
	s.metrics = metrics.New(metrics.Options{
		Version: o.Version, Revision: o.Revision,
		MaxClients: int(cfg.MetricsClients), Expiry: time.Duration(cfg.ClientExpiry),
		GroupBits: int(cfg.ClientIPv6Prefix), ConnectionsLimit: s.room.Connections, LogLinesDropped: o.Log.Dropped,
		HandshakesWaiting: s.turns.Waiting,
	})
	var err error
	if s.allowed, err = allowlist.New(cfg, s.log); err != nil {
		return nil, err
	}
	out, err := egress.Config(cfg, s.log)
	if err != nil {
		return nil, err
	}
	if s.web, err = egress.NewWay(out); err != nil {
		return nil, err
	}
	builtIn := s.allowed.Policy()
	if err := s.allowed.Load(s.web.Client, s.metrics); err != nil {
		return nil, err
	}
	if s.ca, err = openCA(cfg, s.allowed.Policy(), s.log); err != nil {
		return nil, fmt.Errorf("%sSTATE_DIR: %w", settings.Prefix, err)
	}
	s.lists = crl.New(cfg.StateDir, s.log)
	s.lists.Use(s.ca)
	if s.tickets, err = openTicketKeys(cfg, s.log); err != nil {
		return nil, err
	}
	// The listeners are checked against the built-in list, as load has done:
	// a host that Microsoft removes from its list must not prevent the start.
	r := &reading{cfg: cfg, upstream: out, ca: s.ca, listed: builtIn}
	if err := r.readClients(); err != nil {
		return nil, err // load has found the mistakes, unless a file has just changed
	}
	return s, s.build(r)
}

// build builds what depends on the first reading.
func (s *Service) build(r *reading) error {
	s.metrics.SetCA(s.ca.Certificate().NotAfter, s.ca.Issued, s.ca.FileProblem)
	store := &gate{Store: statefile.Clients(r.cfg)}
	s.inventory = newInventory(s, store)
	s.events = &events{metrics: s.metrics, inventory: s.inventory, store: store}
	s.mailboxes.log, s.mailboxes.metrics, s.mailboxes.web = s.log, s.metrics, s.web
	change, err := s.mailboxes.prepare(r)
	if err != nil {
		return err
	}
	change.commit()
	parts := s.proxyConfig(r, change.service)
	parts.Clients = s.known.use(parts.Clients)
	s.rename(parts.Clients)
	s.metrics.Restore(factsOf(s.inventory.Snapshot()))
	parts.Observer, parts.Open, parts.AcceptFailed = s.events, s.opened.open, s.metrics.AcceptFailed
	if s.proxy, err = proxy.New(parts); err != nil {
		return err
	}
	s.allowed.Use(s.proxy, s.ca)
	s.prober = newProber(s, r)
	shown, err := s.pagesOf(s.ca)
	if err != nil {
		return err
	}
	s.pages.show(shown)
	return s.newServers()
}

// LogOptions returns how the log is written.
func LogOptions(cfg *settings.Config) logging.Options {
	return logging.Options{Level: slog.Level(cfg.LogLevel), JSON: cfg.LogFormat == settings.LogJSON}
}

// proxyConfig returns the configuration of the proxy.
func (s *Service) proxyConfig(r *reading, boxes *mailboxes.Service) proxy.Config {
	cfg := r.cfg
	parts := proxy.Config{
		Clients:        r.clients,
		DHBits:         int(cfg.DHBits),
		LeafKeyType:    clientfile.KeyType(cfg.LeafKeyType),
		Rotation:       clientfile.CA(cfg.CARotation),
		Listeners:      cfg.Listen,
		ClientNets:     cfg.ClientNets,
		TrustedProxies: cfg.TrustedProxies,
		Policy:         r.listed,
		Upstream:       r.upstream,
		CA:             r.ca,
		TicketKeys:     s.tickets,
		Turns:          s.turns,
		Legacy: legacytls.LegacySuites{
			RC4: slices.Contains(cfg.Ciphers, settings.CipherRC4),
			DES: slices.Contains(cfg.Ciphers, settings.CipherDES),
		},
		MaxConnections:          s.room.Connections,
		MaxConnectionsPerClient: int(cfg.MaxConnsClient),
		ClientIPv6Prefix:        int(cfg.ClientIPv6Prefix),
		HandshakeTimeout:        time.Duration(cfg.HandshakeTimeout),
		IdleTimeout:             time.Duration(cfg.IdleTimeout),
		IMAPIdleTimeout:         time.Duration(cfg.IMAPIdleTimeout),
		DrainTimeout:            time.Duration(cfg.DrainTimeout),
		Log:                     s.log,
	}
	if boxes != nil {
		parts.SignIn, parts.Tokens = boxes.Keeper, boxes
	}
	return parts
}

// openCA opens the CA, or creates it for the domains of the policy.
func openCA(cfg *settings.Config, allowed *m365.Policy, log *slog.Logger) (*localca.CA, error) {
	dir, err := prepareStateDir(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("%w; let tlslift's user write to the directory, or choose another one", err)
	}
	return localca.Open(localca.Options{
		Dir:                 filepath.Join(dir, "ca"),
		Permitted:           cfg.CADomains(allowed.Policy),
		CriticalConstraints: bool(cfg.CriticalCA),
		ListURL:             cfg.ListURL(),
		Log:                 log,
	})
}

// openTicketKeys opens the keys of session tickets, beside the CA unless a setting
// names a file that replicas share.
func openTicketKeys(cfg *settings.Config, log *slog.Logger) (*ticketkeys.Keys, error) {
	own := filepath.Join(cfg.StateDir, "ticket.keys")
	keys, err := ticketkeys.Open(ticketkeys.Options{Path: cmp.Or(cfg.TicketKeysFile, own), Shared: cfg.TicketKeysFile != "", Log: log})
	if err != nil {
		return nil, fmt.Errorf("%sTICKET_KEYS_FILE: %w", settings.Prefix, err)
	}
	return keys, nil
}

// prepareStateDir creates the directory if need be, and returns its absolute
// path.
func prepareStateDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("creating %s: %w", dir, settings.SystemError(err))
	}
	if err := secretfile.CheckDirectory(dir); err != nil {
		return "", fmt.Errorf("reading %s: %w", dir, settings.SystemError(err))
	}
	return dir, nil
}
