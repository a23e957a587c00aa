package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// newService builds the parts; it opens no listener.
func (p *program) newService(cfg *settings.Config) (*service, error) {
	s := &service{cfg: cfg, log: p.newLogger(cfg)}
	s.enter(starting)
	var err error
	if s.policy, err = m365.New(cfg.Instance, cfg.Destinations); err != nil {
		return nil, fmt.Errorf("%sDESTINATIONS: %w", settings.Prefix, err)
	}
	if s.upstream, err = s.egress(); err != nil {
		return nil, err
	}
	m := metrics.New(metrics.Options{
		Version: p.version, Revision: buildRevision(),
		MaxClients: int(cfg.MetricsClients), Expiry: time.Duration(cfg.ClientExpiry),
	})
	builtIn := s.policy
	if err := s.loadList(m); err != nil {
		return nil, err
	}
	if s.ca, err = openCA(cfg, s.policy); err != nil {
		return nil, fmt.Errorf("%sSTATE_DIR: %w", settings.Prefix, err)
	}
	parts, err := s.proxyConfig()
	if err != nil {
		return nil, err
	}
	m.SetCA(s.ca.Certificate().NotAfter, s.ca.Issued)
	s.inventory = s.newInventory()
	parts.Observer = observers{m, s.inventory}
	// The listeners are checked against the built-in list, as load has done:
	// a host that Microsoft removes from its list must not prevent the start.
	parts.Policy = builtIn
	if s.proxy, err = proxy.New(parts); err != nil {
		return nil, err
	}
	s.proxy.SetPolicy(s.policy)
	pages, err := statuspage.New(s.pageOptions(p.version))
	if err != nil {
		return nil, err
	}
	s.admin = admin.NewServer(admin.NewHandler(admin.Options{
		Metrics: m.Handler(), Ready: s.ready, Pages: pages, Name: cfg.AdminListen.Host(),
	}))
	return s, nil
}

func (p *program) newLogger(cfg *settings.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(cfg.LogLevel)}
	if cfg.LogFormat == settings.LogJSON {
		return slog.New(slog.NewJSONHandler(p.stderr, options))
	}
	return slog.New(slog.NewTextHandler(p.stderr, options))
}

// isTerminal reports whether a person sees what is written to f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (s *service) proxyConfig() (proxy.Config, error) {
	cfg := s.cfg
	table, err := cfg.ClientTable()
	if err != nil { // load has found the mistakes, unless the file has just changed
		return proxy.Config{}, err
	}
	return proxy.Config{
		Clients:        table,
		DHBits:         int(cfg.DHBits),
		Listeners:      cfg.Listen,
		ClientNets:     cfg.ClientNets,
		TrustedProxies: cfg.TrustedProxies,
		Upstream:       s.upstream,
		CA:             s.ca,
		Legacy: legacytls.LegacySuites{
			RC4: slices.Contains(cfg.Ciphers, settings.CipherRC4),
			DES: slices.Contains(cfg.Ciphers, settings.CipherDES),
		},
		MaxConnections:          int(cfg.MaxConns),
		MaxConnectionsPerClient: int(cfg.MaxConnsClient),
		HandshakeTimeout:        time.Duration(cfg.HandshakeTimeout),
		IdleTimeout:             time.Duration(cfg.IdleTimeout),
		DrainTimeout:            time.Duration(cfg.DrainTimeout),
		Log:                     s.log,
	}, nil
}

// egress returns how connections leave this machine, with their firewall mark.
func (s *service) egress() (upstream.Config, error) {
	out, err := upstreamConfig(s.cfg)
	if err != nil {
		return upstream.Config{}, err
	}
	value, err := s.mark()
	if err != nil || value == 0 {
		return out, err
	}
	out.Control = func(raw syscall.RawConn) error { return origdst.Mark(raw, value) }
	return out, nil
}

// mark returns the firewall mark of our own connections. Without the right to set
// the automatic one, tlslift works, but a rule cannot exempt it.
func (s *service) mark() (uint32, error) {
	m := s.cfg.UpstreamMark
	transparent := slices.ContainsFunc(s.cfg.Listen, func(l listener.URL) bool { return l.Scheme.Transparent() })
	if m.Value == 0 || m.Auto && !transparent {
		return 0, nil
	}
	err := origdst.CanMark(m.Value)
	switch {
	case err == nil:
		return m.Value, nil
	case m.Auto:
		s.log.Warn("tlslift's own connections have no firewall mark, so redirecting rules cannot exempt them by it",
			"error", settings.SystemError(err),
			"remedy", "give tlslift CAP_NET_ADMIN, exempt it by its user in rules for the machine's own traffic, or set "+
				settings.Prefix+"UPSTREAM_MARK=0")
		return 0, nil
	}
	return 0, fmt.Errorf("%sUPSTREAM_MARK: cannot mark connections with %#x: %w; give tlslift CAP_NET_ADMIN, or write 0 for no mark",
		settings.Prefix, m.Value, settings.SystemError(err))
}

// openCA opens the CA, or creates it for the domains of the policy.
func openCA(cfg *settings.Config, allowed *m365.Policy) (*localca.CA, error) {
	dir, err := prepareStateDir(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("%w; let tlslift's user write to the directory, or choose another one", err)
	}
	return localca.Open(localca.Options{
		Dir:                 filepath.Join(dir, "ca"),
		Permitted:           allowed.Domains(),
		CriticalConstraints: bool(cfg.CriticalCA),
	})
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
	f, err := os.Open(dir)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", dir, settings.SystemError(err))
	}
	return dir, f.Close()
}

// upstream reads the files that the settings name.
func upstreamConfig(c *settings.Config) (upstream.Config, error) {
	roots, err := roots(c)
	if err != nil {
		return upstream.Config{}, err
	}
	certificate, err := clientCertificate(c)
	if err != nil {
		return upstream.Config{}, err
	}
	return upstream.Config{
		Roots:       roots,
		Certificate: certificate,
		Proxy:       c.UpstreamProxy,
		ConnectTo:   c.ConnectTo,
	}, nil
}

// roots returns nil for the system's.
func roots(c *settings.Config) (*x509.CertPool, error) {
	if c.UpstreamCAFile == "" {
		return nil, nil
	}
	text, err := readSettingFile("UPSTREAM_CA_FILE", c.UpstreamCAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%sUPSTREAM_CA_FILE: %s has no certificate in PEM form; convert it, as with openssl x509 -inform der",
			settings.Prefix, c.UpstreamCAFile)
	}
	return pool, nil
}

// clientCertificate returns nil if there is none.
func clientCertificate(c *settings.Config) (*tls.Certificate, error) {
	if c.UpstreamCert == "" {
		return nil, nil
	}
	cert, err := readSettingFile("UPSTREAM_CERT_FILE", c.UpstreamCert)
	if err != nil {
		return nil, err
	}
	key, err := readSettingFile("UPSTREAM_KEY_FILE", c.UpstreamKey)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%[1]sUPSTREAM_CERT_FILE: %[2]s with %[3]s of %[1]sUPSTREAM_KEY_FILE: %[4]w; "+
			"give a certificate and its own key, both in PEM form",
			settings.Prefix, c.UpstreamCert, c.UpstreamKey, err)
	}
	return &pair, nil
}

func readSettingFile(setting, path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, settings.CannotRead(setting, path, err)
	}
	return text, nil
}
