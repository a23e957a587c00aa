package testenv

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"
	"time"
)

// An Authority is a root certificate and its key.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewAuthority returns a root with that common name and key.
func NewAuthority(t testing.TB, name string, key crypto.Signer) *Authority {
	t.Helper()
	template := Template(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	return &Authority{Certificate: Sign(t, template, template, key, key), Key: key}
}

// Roots returns the pool with the authority alone.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

// PEM returns the authority's certificate as a PEM file has it.
func (a *Authority) PEM() []byte { return CertificatePEM(a.Certificate) }

// Issue returns a certificate of template for key, signed by the authority.
func (a *Authority) Issue(t testing.TB, template *x509.Certificate, key crypto.Signer) tls.Certificate {
	t.Helper()
	leaf := Sign(t, template, a.Certificate, key, a.Key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// SelfSigned returns a certificate of template for key, signed by key itself.
func SelfSigned(t testing.TB, template *x509.Certificate, key crypto.Signer) tls.Certificate {
	t.Helper()
	return (&Authority{Certificate: template, Key: key}).Issue(t, template, key)
}

// Template returns the template of a certificate that is valid from an hour ago
// to in an hour. Its common name is name, and hosts are the names it is for.
func Template(name string, hosts ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().Add(time.Hour),
		DNSNames:  hosts,
	}
}

// Sign returns the certificate of template for key, signed by parent, whose key
// is signer. A template without a serial number gets a random one.
func Sign(t testing.TB, template, parent *x509.Certificate, key, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// CertificatePEM returns certificates as a PEM file has them.
func CertificatePEM(certificates ...*x509.Certificate) (out []byte) {
	for _, c := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
