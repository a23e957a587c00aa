package deviceca

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/stateowner"
	"github.com/tlslift/tlslift/proxy/localca"
)

const (
	// DefaultDays is what Apple's systems take of a server's certificate at most.
	DefaultDays = 825
	maxDays     = 3650
	// backdate makes up for devices whose clock is slow.
	backdate = 24 * time.Hour
)

// Keys are the kinds of keys.
func Keys() []string { return []string{"rsa2048", "rsa1024", "p256"} }

// An Issue says what is issued.
type Issue struct {
	// Name is that of the device: the common name.
	Name string
	// DNS and IP are those of its web page; none means that it is a client only.
	DNS, IP []string
	// Domains limit a new device CA; none means that it is limited as little as possible.
	Domains []string
	Days    int
	Key     string // one of Keys
	SHA1    bool   // sign with SHA-1
	// PEM writes a PEM file in place of PKCS #12, and Legacy either as old devices read it.
	PEM, Legacy bool
	// PasswordFile has the password of the PKCS #12 file; empty means a random one.
	PasswordFile string
	Output       string
	Force        bool // replace the output
}

// A subject is what a certificate names.
type subject struct {
	name string
	dns  []string
	ip   []netip.Addr
}

// Check returns what is wrong with the command line.
func (i *Issue) Check() error {
	switch {
	case i.Output == "":
		return errors.New("--output is missing: give the file for the key and the certificate, as --output copier.p12")
	case !slices.Contains(Keys(), i.Key):
		return fmt.Errorf("--key: %q is not a kind of key; use one of %s", i.Key, strings.Join(Keys(), ", "))
	case i.Days < 1 || i.Days > maxDays:
		return fmt.Errorf("--days: give a number from 1 to %d", maxDays)
	case i.PEM && i.PasswordFile != "":
		return errors.New("--password-file is for PKCS #12; a PEM file has no password, since most devices read none")
	case i.PEM && i.Legacy && i.Key == "p256":
		return errors.New("--legacy with --pem is for RSA keys; use --key rsa2048")
	}
	return nil
}

// subject returns what the certificate names.
func (i *Issue) subject() (subject, error) {
	s := subject{name: i.Name}
	if err := checkName(i.Name); err != nil {
		return s, err
	}
	for _, text := range i.DNS {
		host, err := hostOf(text)
		if err != nil {
			return s, err
		}
		s.dns = append(s.dns, host)
	}
	for _, text := range i.IP {
		addr, err := addressOf(text)
		if err != nil {
			return s, err
		}
		s.ip = append(s.ip, addr)
	}
	if n := len(s.dns) + len(s.ip); n > maxNames {
		return s, fmt.Errorf("%d names and addresses are more than a device reads; give %d at most", n, maxNames)
	}
	return s, nil
}

// CheckNames returns why the device CA must not sign for the names, whatever it is limited to.
func (h *Home) CheckNames(i *Issue) error {
	s, err := i.subject()
	if err != nil {
		return err
	}
	for n, text := range i.Domains {
		if i.Domains[n], err = h.checkDomain(text); err != nil {
			return err
		}
	}
	for _, host := range s.hosts() {
		if err := h.checkHost(host, nil); err != nil {
			return err
		}
	}
	return nil
}

// hosts returns the host names, and the common name where clients could take it for one.
func (s subject) hosts() []string {
	if host, err := hostOf(s.name); err == nil && strings.Contains(host, ".") {
		return append([]string{host}, s.dns...)
	}
	return s.dns
}

// A made is a certificate with its key.
type made struct {
	key         crypto.Signer
	certificate *x509.Certificate
	ca          *x509.Certificate
}

// make makes a key, and signs its certificate.
func (i *Issue) make(h *Home, ca *localca.DeviceCA, s subject) (made, error) {
	for _, host := range s.hosts() {
		if err := h.checkHost(host, &ca.Public); err != nil {
			return made{}, err
		}
	}
	key, err := newKey(i.Key)
	if err != nil {
		return made{}, fmt.Errorf("making a key: %w", err)
	}
	m := made{key: key, ca: ca.Certificate()}
	if i.SHA1 {
		if m.ca, err = ca.Form(localca.Form{SHA1: true}); err != nil {
			return made{}, err
		}
	}
	m.certificate, err = ca.Sign(i.template(h, ca, s), key.Public())
	return m, err
}

func (i *Issue) template(h *Home, ca *localca.DeviceCA, s subject) *x509.Certificate {
	now := h.now().Round(0)
	t := &x509.Certificate{
		Subject:            pkix.Name{CommonName: s.name},
		SignatureAlgorithm: x509.SHA256WithRSA,
		NotBefore:          now.Add(-backdate), NotAfter: now.AddDate(0, 0, i.Days),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames:    s.dns,
	}
	if i.SHA1 {
		t.SignatureAlgorithm = x509.SHA1WithRSA
	}
	if i.Key == "p256" { // it enciphers nothing
		t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
	}
	if len(s.dns)+len(s.ip) > 0 {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, addr := range s.ip {
		t.IPAddresses = append(t.IPAddresses, net.IP(addr.AsSlice()))
	}
	if url := h.listURL(&ca.Public); url != "" {
		t.CRLDistributionPoints = []string{url}
	}
	return t
}

func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa1024":
		return rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // somebody has asked for it: old devices compute with no more
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// issued returns what the register says of it.
func (m made) issued(kind string, s subject) Issued {
	return Issued{
		Serial: fmt.Sprintf("%032X", m.certificate.SerialNumber), Name: s.name, DNS: s.dns, IP: s.ip, Key: kind,
		From: m.certificate.NotBefore.UTC(), Until: m.certificate.NotAfter.UTC(),
	}
}

// Run issues a certificate: it writes the file, and says to stdout what is in it and to stderr
// the password that it has made.
func (i *Issue) Run(h *Home, stdout, stderr io.Writer) error {
	if err := stateowner.Check(h.cfg); err != nil {
		return err
	}
	s, err := i.subject()
	if err != nil {
		return err
	}
	word, isNew, err := i.password()
	if err != nil {
		return err
	}
	out, err := i.reserve()
	if err != nil {
		return err
	}
	defer out.giveUp()
	o := h.options
	o.Permitted = i.Domains
	ca, created, err := localca.OpenDeviceCA(o)
	if err != nil {
		return err
	}
	if has := ca.Certificate().PermittedDNSDomains; len(i.Domains) > 0 && !slices.Equal(has, i.Domains) {
		return fmt.Errorf("--domain is for a device CA that is new, and the one in %s is limited to %s; leave it out",
			o.Dir, cmp.Or(strings.Join(has, ", "), "no domain"))
	}
	m, err := i.make(h, ca, s)
	if err != nil {
		return err
	}
	data, err := i.encode(m, word)
	if err != nil {
		return err
	}
	defer clear(data)
	one := m.issued(i.Key, s)
	// First the register: what is in it and nobody has harms nobody.
	err = h.change(func(r *register) error {
		r.Issued = append(r.Issued, one)
		return nil
	})
	if err != nil {
		return err
	}
	if err := out.fill(data); err != nil {
		return fmt.Errorf("%w; the certificate is in the register and nobody has it: tlslift ca revoke %s", err, one.Serial)
	}
	if err := i.report(stdout, h, ca, one, created); err != nil {
		return err
	}
	if isNew {
		_, err = fmt.Fprintf(stderr, "\nPassword of %s, which is shown this once: %s\n", i.Output, word)
	}
	return err
}
