package check

import (
	"crypto/x509"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// publicRoots returns the authorities that browsers trust, as Mozilla lists them. Those of
// the system may have a firewall's among them.
func publicRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err == nil {
			pool.AddCert(certificate) // also one that is trusted for older certificates only
		}
	}
	return pool
}
