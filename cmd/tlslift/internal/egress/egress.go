// Package egress says how connections leave this machine: to destinations, to the web
// service of lists, and to Microsoft Entra.
package egress

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"syscall"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/secretfile"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// Config returns what the settings say of it, with the firewall mark. It reads the files
// that they name.
func Config(c *settings.Config, log *slog.Logger) (upstream.Config, error) {
	out, err := upstreamConfig(c)
	if err != nil {
		return upstream.Config{}, err
	}
	value, err := mark(c, log)
	if err != nil || value == 0 {
		return out, err
	}
	out.Control = func(raw syscall.RawConn) error { return origdst.Mark(raw, value) }
	return out, nil
}

// mark returns the firewall mark of our own connections. Without the right to set
// the automatic one, tlslift works, but a rule cannot exempt it.
func mark(c *settings.Config, log *slog.Logger) (uint32, error) {
	m := c.UpstreamMark
	transparent := slices.ContainsFunc(c.Listen, func(l listener.URL) bool { return l.Scheme.Transparent() })
	if m.Value == 0 || m.Auto && !transparent {
		return 0, nil
	}
	err := origdst.CanMark(m.Value)
	switch {
	case err == nil:
		return m.Value, nil
	case m.Auto:
		log.Warn("tlslift's own connections have no firewall mark, so redirecting rules cannot exempt them by it",
			"error", settings.SystemError(err),
			"remedy", "give tlslift CAP_NET_ADMIN, exempt it by its user in rules for the machine's own traffic, or set "+
				settings.Prefix+"UPSTREAM_MARK=0")
		return 0, nil
	}
	return 0, fmt.Errorf("%sUPSTREAM_MARK: cannot mark connections with %#x: %w; give tlslift CAP_NET_ADMIN, or write 0 for no mark",
		settings.Prefix, m.Value, settings.SystemError(err))
}

// upstreamConfig reads the files that the settings name.
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
		Certificate: certificate, ShowsCertificate: c.ShowsCertificate,
		Proxy:     c.UpstreamProxy,
		ConnectTo: c.ConnectTo,
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
	key, err := secretfile.ReadKey(c.UpstreamKey, 1<<20)
	if err != nil {
		return nil, settings.CannotRead("UPSTREAM_KEY_FILE", c.UpstreamKey, err)
	}
	defer clear(key)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%[1]sUPSTREAM_CERT_FILE: %[2]s with %[3]s of %[1]sUPSTREAM_KEY_FILE: %[4]w; "+
			"give a certificate and its own key, both in PEM form",
			settings.Prefix, c.UpstreamCert, c.UpstreamKey, err)
	}
	return &pair, nil
}

// maxCertificates bounds a file of certificates; the roots of a system have some 0.3 MB.
const maxCertificates = 16 << 20

func readSettingFile(setting, path string) ([]byte, error) {
	text, err := secretfile.Read(path, maxCertificates)
	if err != nil {
		return nil, settings.CannotRead(setting, path, err)
	}
	return text, nil
}
