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
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/allowlist"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/openfiles"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/sandbox"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/secretfile"
	"github.com/tlslift/tlslift/proxy/ticketkeys"
	"github.com/tlslift/tlslift/proxy/turns"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// Options are what a Service is made from; all are required.
type Options struct {
	Settings *settings.Config
	// Log is where log lines and the start message are written to.
	Log *logging.Writer
	// Version and Revision are those of the program.
	Version, Revision string
	// Confine enters the sandbox once everything is open, and returns what the system
	// enforces of it; nil means that there is none.
	Confine func(sandbox.Limits) (enforced string, err error)
}

// A Service is the parts, built and put together.
type Service struct {
	cfg     *settings.Config
	version string
	out     *logging.Writer
	room    openfiles.Room // for connections
	log     *slog.Logger
	repeats *logging.Repeats
	allowed *allowlist.Allowlist
	// upstream is for connections to destinations, and to the web service of lists.
	upstream  upstream.Config
	ca        *localca.CA
	tickets   *ticketkeys.Keys
	turns     *turns.Queue
	proxy     *proxy.Server
	admin     *adminServer
	public    *adminServer // for devices
	inventory *inventory.Inventory
	metrics   *metrics.Metrics
	mailboxes *mailboxes.Service               // nil if sign-in is configured for nobody
	clients   atomic.Pointer[clientfile.Table] // those in force
	renaming  sync.Mutex                       // held while clients get names
	phase     atomic.Pointer[phase]
	confined  confinement
}

// A phase says why a service is not ready; ready is empty.
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
	s := &Service{cfg: cfg, version: o.Version, out: o.Log, turns: turns.New(turns.Config{GroupBits: int(cfg.ClientIPv6Prefix)})}
	s.log, s.repeats = logging.New(o.Log, LogOptions(cfg))
	s.enter(starting)
	s.room = openfiles.Fit(int(cfg.MaxConns), len(cfg.TrustedProxies) > 0)
	var err error
	if s.allowed, err = allowlist.New(cfg, s.log); err != nil {
		return nil, err
	}
	if s.upstream, err = egress.Config(cfg, s.log); err != nil {
		return nil, err
	}
	m := metrics.New(metrics.Options{
		Version: o.Version, Revision: o.Revision,
		MaxClients: int(cfg.MetricsClients), Expiry: time.Duration(cfg.ClientExpiry),
		GroupBits: int(cfg.ClientIPv6Prefix), ConnectionsLimit: s.room.Connections, LogLinesDropped: o.Log.Dropped,
		HandshakesWaiting: s.turns.Waiting,
	})
	builtIn := s.allowed.Policy()
	if err := s.allowed.Load(s.upstream, m); err != nil {
		return nil, err
	}
	if s.ca, err = openCA(cfg, s.allowed.Policy()); err != nil {
		return nil, fmt.Errorf("%sSTATE_DIR: %w", settings.Prefix, err)
	}
	if s.tickets, err = openTicketKeys(cfg, s.log); err != nil {
		return nil, err
	}
	s.metrics = m
	parts, err := s.proxyConfig()
	if err != nil {
		return nil, err
	}
	m.SetCA(s.ca.Certificate().NotAfter, s.ca.Issued, s.ca.FileProblem)
	s.inventory = newInventory(s)
	parts.Clients = s.useClients(parts.Clients)
	s.rename(parts.Clients)
	m.Restore(factsOf(s.inventory.Snapshot()))
	parts.Observer, parts.AcceptFailed = observers{m, s.inventory}, m.AcceptFailed
	// The listeners are checked against the built-in list, as load has done:
	// a host that Microsoft removes from its list must not prevent the start.
	parts.Policy = builtIn
	if s.proxy, err = proxy.New(parts); err != nil {
		return nil, err
	}
	s.allowed.Use(s.proxy, s.ca)
	options, err := s.pageOptions()
	if err != nil {
		return nil, err
	}
	return s, s.newServers(options)
}

// LogOptions returns how the log is written.
func LogOptions(cfg *settings.Config) logging.Options {
	return logging.Options{Level: slog.Level(cfg.LogLevel), JSON: cfg.LogFormat == settings.LogJSON}
}

func (s *Service) proxyConfig() (proxy.Config, error) {
	cfg := s.cfg
	table, err := cfg.ClientTable()
	if err != nil { // load has found the mistakes, unless the file has just changed
		return proxy.Config{}, err
	}
	parts := proxy.Config{
		Clients:        table,
		DHBits:         int(cfg.DHBits),
		Listeners:      cfg.Listen,
		ClientNets:     cfg.ClientNets,
		TrustedProxies: cfg.TrustedProxies,
		Upstream:       s.upstream,
		CA:             s.ca,
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
	return parts, s.openMailboxes(table, &parts)
}

// pageOptions returns what the status page shows of a service.
func (s *Service) pageOptions() (statuspage.Options, error) {
	sha1, err := s.ca.Form(localca.Form{SHA1: true})
	if err != nil {
		return statuspage.Options{}, err
	}
	backdated, err := s.ca.Form(localca.Form{Backdated: true})
	if err != nil {
		return statuspage.Options{}, err
	}
	return statuspage.Options{
		Inventory: s.inventory,
		Forget:    s.forget,
		Listeners: s.proxy.Listeners,
		Authority: statuspage.Authority{
			Certificate: s.ca.Certificate(), Fingerprint: s.ca.Fingerprint(), SHA1: sha1, Backdated: backdated, Excess: s.ca.Excess(),
			Problem: s.ca.FileProblem,
		},
		Endpoints: s.allowed.Shown,
		PublicURL: func() string { return s.public.urlForDevices() },
		SignIn:    s.mailboxes.State,
		Version:   s.version,
	}, nil
}

// observers are called one after the other.
type observers []proxy.Observer

// Opened implements proxy.Observer.
func (all observers) Opened(listener string) {
	for _, o := range all {
		o.Opened(listener)
	}
}

// Closed implements proxy.Observer.
func (all observers) Closed(r *record.Record) {
	for _, o := range all {
		o.Closed(r)
	}
}

// openCA opens the CA, or creates it for the domains of the policy.
func openCA(cfg *settings.Config, allowed *m365.Policy) (*localca.CA, error) {
	dir, err := prepareStateDir(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("%w; let tlslift's user write to the directory, or choose another one", err)
	}
	return localca.Open(localca.Options{
		Dir:                 filepath.Join(dir, "ca"),
		Permitted:           cfg.CADomains(allowed.Policy),
		CriticalConstraints: bool(cfg.CriticalCA),
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
