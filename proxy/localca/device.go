package localca

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net"
)

// A DeviceCA is a CA for certificates that devices have themselves: as clients of somebody
// else's server, and for their own web page. It has another key than the CA of the leaves,
// and the proxy does not have it.
type DeviceCA struct{ authority }

// OpenDeviceCA loads the device CA of o.Dir, or makes one if the directory is absent or
// empty, and reports whether it has.
func OpenDeviceCA(o Options) (*DeviceCA, bool, error) {
	o, err := o.normalised()
	if err != nil {
		return nil, false, err
	}
	empty, err := vacant(o.Dir)
	if err != nil {
		return nil, false, fmt.Errorf("looking for a device CA: %w", err)
	}
	created := false
	if empty {
		if created, err = createDeviceCA(o); err != nil {
			return nil, false, fmt.Errorf("making a device CA in %s: %w", o.Dir, err)
		}
	}
	d, err := LoadDeviceCA(o)
	return d, created, err
}

// LoadDeviceCA loads the device CA of o.Dir, which has to be there.
func LoadDeviceCA(o Options) (*DeviceCA, error) {
	o, err := o.normalised()
	if err != nil {
		return nil, err
	}
	a, err := load(o, o.Now().Round(0))
	if err != nil {
		return nil, fmt.Errorf("loading the device CA: %w", err)
	}
	return &DeviceCA{a}, nil
}

func createDeviceCA(o Options) (bool, error) {
	now := o.Now()
	if err := checkClock(now); err != nil {
		return false, err
	}
	template := caTemplate(now)
	template.Subject.CommonName = fmt.Sprintf("tlslift device CA %X", template.SerialNumber.Bytes()[:4])
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	var err error
	if template.PermittedDNSDomains, err = constraintsOf(o.Permitted); err != nil {
		return false, err
	}
	if template.ExcludedDNSDomains, err = constraintsOf(o.Excluded); err != nil {
		return false, err
	}
	template.PermittedIPRanges = privateAddresses()
	template.PermittedDNSDomainsCritical = o.CriticalConstraints
	certPEM, keyPEM, err := selfSigned(template)
	if err != nil {
		return false, err
	}
	defer clear(keyPEM)
	return createFrom(o, certPEM, keyPEM)
}

// privateAddresses returns the networks of RFC 1918 and RFC 4193.
func privateAddresses() (all []*net.IPNet) {
	for _, text := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} {
		_, network, _ := net.ParseCIDR(text) // never fails for these
		all = append(all, network)
	}
	return all
}

// Sign returns the certificate of a template for a key. It has a new serial number, and ends
// with the CA at the latest.
func (d *DeviceCA) Sign(template *x509.Certificate, key crypto.PublicKey) (*x509.Certificate, error) {
	own, t := d.Certificate(), *template
	t.SerialNumber, t.BasicConstraintsValid, t.IsCA = newSerial(), true, false
	if t.NotBefore.Before(own.NotBefore) {
		t.NotBefore = own.NotBefore
	}
	if t.NotAfter.After(own.NotAfter) {
		t.NotAfter = own.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, own, key, d.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of a device: %w", err)
	}
	return x509.ParseCertificate(der)
}
