package admin

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
)

// Serve serves the admin address until the server is closed, with the TLS and
// the passwords of a web configuration file in the format of Prometheus; an
// empty file name means neither. The file is read again for each connection. The
// error is never nil.
func Serve(ln net.Listener, server *http.Server, file string, log *slog.Logger) error {
	if file == "" {
		return server.Serve(ln)
	}
	return web.Serve(ln, server, &web.FlagConfig{WebConfigFile: &file}, log)
}

// CheckWebConfig returns what is wrong with a web configuration file; nil if
// nothing is.
func CheckWebConfig(file string) error { return web.Validate(file) }

// hasPasswords reports whether a web configuration file asks for passwords. One that
// cannot be read does not: nobody is let in with it.
func hasPasswords(file string) bool {
	if file == "" {
		return false
	}
	c, err := readWebConfig(file)
	return err == nil && len(c.Users) > 0
}

func readWebConfig(file string) (c web.Config, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("reading %s: %w", file, err)
	}
	return c, nil
}

// ClientTLS returns how to connect to an admin address that is served with a web
// configuration file, on the machine that has the file: only its certificate is
// trusted. It is nil when the file asks for no TLS.
func ClientTLS(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	c, err := readWebConfig(file)
	if err != nil {
		return nil, err
	}
	if !c.TLSConfig.IsEnabled() {
		return nil, nil
	}
	c.TLSConfig.SetDirectory(filepath.Dir(file))
	certificate := []byte(c.TLSConfig.TLSCert)
	if path := c.TLSConfig.TLSCertPath; path != "" {
		if certificate, err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return trusting(certificate)
}

// trusting returns a configuration that trusts one certificate, under its own
// name: the address that the client connects to need not be in it.
func trusting(certificate []byte) (*tls.Config, error) {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return nil, errors.New("no certificate in PEM form")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	names := leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return nil, errors.New("the certificate has no subjectAltName")
	}
	return &tls.Config{RootCAs: roots, ServerName: names[0], MinVersion: tls.VersionTLS12}, nil
}

// WebConfigFiles returns the files that a web configuration file names; none if it cannot
// be read.
func WebConfigFiles(file string) []string {
	if file == "" {
		return nil
	}
	c, err := readWebConfig(file)
	if err != nil {
		return nil
	}
	c.TLSConfig.SetDirectory(filepath.Dir(file))
	return []string{c.TLSConfig.TLSCertPath, c.TLSConfig.TLSKeyPath, c.TLSConfig.ClientCAs}
}
