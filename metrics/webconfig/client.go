package webconfig

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/tlslift/tlslift/proxy/secretfile"
)

// ClientTLS returns how to connect to an address that is served with a web configuration
// file, on the machine that has the file: only its certificate is trusted. It is nil when
// the file asks for no TLS.
func ClientTLS(path string) (*tls.Config, error) {
	if path == "" {
		return nil, nil
	}
	c, err := read(path)
	if err != nil {
		return nil, err
	}
	if !c.TLSConfig.IsEnabled() {
		return nil, nil
	}
	certificate := []byte(c.TLSConfig.TLSCert)
	if path := c.TLSConfig.TLSCertPath; path != "" {
		if certificate, err = secretfile.Read(path, maxFile); err != nil {
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
