package localca

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	// leafLife is how long a leaf is valid, within the life of the CA.
	leafLife = 30 * 24 * time.Hour
	// leafUse is how long a leaf is handed out at most. With it a key of the
	// leaves is in use for keyUse and one leafUse at most.
	leafUse = 24 * time.Hour
	// maxCommonName is the upper bound of RFC 5280 appendix A.1.
	maxCommonName = 64
)

// A Profile is a kind of leaf, for clients that cannot do with the usual one.
// The zero value is the usual one.
type Profile struct {
	// SHA1 has the leaf signed with SHA-1; false means SHA-256. That collisions
	// of SHA-1 can be made does not help to forge a certificate: its serial
	// number, which comes before all that others choose, cannot be foreseen.
	SHA1 bool
	// ECDSA gives the leaf an ECDSA key on P-256; false means an RSA key. The signature on
	// the leaf is RSA in both cases.
	ECDSA bool
	// Bits is the length of the leaf's RSA key, 2048 or 1024; zero means 2048.
	// The first leaf with 1024 has to wait until there is such a key.
	Bits int
	// WithCA sends the root along, if ca.pem has it; false leaves it out. What
	// is between the leaf and the root is sent in any case. Where it is our own, it
	// is sent in the form that goes with SHA1 and NotBefore.
	WithCA bool
	// NotBefore has the leaf valid from then on, also from before the CA is: many
	// clients whose clock stands years back do not look at the dates of the CA.
	// Zero, and a time later than usual, mean the usual time.
	NotBefore time.Time
}

// Leaf returns a certificate for the destination name that has also sans, the SANs
// of the verified upstream certificate, as far as the CA may
// sign for them and to a hundred in all. It comes from a cache, so it must not
// be changed. One leaf is signed at most for any number of concurrent calls
// that want the same, and other calls do not wait for that.
func (ca *CA) Leaf(name string, sans []string, p Profile) (*tls.Certificate, error) {
	name = strings.ToLower(name)
	if !netname.IsHost(name) {
		return nil, fmt.Errorf("making a leaf for %q: it is not a DNS name", netname.Cut(name, 253))
	}
	if p.Bits = cmp.Or(p.Bits, rsaBits); ca.keys[p.Bits] == nil || p.Bits == ecdsaBits {
		return nil, fmt.Errorf("making a leaf for %s: its key cannot have %d bits, only %d or %d", name, p.Bits, rsaBits, shortBits)
	}
	if p.ECDSA {
		p.Bits = ecdsaBits
	}
	now := ca.clock()
	e := ca.leaves.get(cacheKey(name, sans, p), now, func() *entry { return ca.newEntry(name, sans, p, now) })
	cert, err := e.leaf()
	if err != nil {
		ca.leaves.drop(e)
		return nil, fmt.Errorf("making a leaf for %s: %w", name, err)
	}
	return cert, nil
}

// cacheKey stands for a leaf's profile and its names in the order given. It is
// a hash so that a long list takes no more room than a short one.
func cacheKey(name string, sans []string, p Profile) [sha256.Size]byte {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%t,%d,%t,%d:", p.SHA1, p.Bits, p.WithCA, p.NotBefore.Unix())
	for _, s := range append([]string{name}, sans...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// newEntry returns an entry whose leaf is made when it is first asked for.
func (ca *CA) newEntry(name string, sans []string, p Profile, now time.Time) *entry {
	issuer := ca.Certificate()
	from, to := now.Add(-backdate), now.Add(leafLife)
	if from.Before(issuer.NotBefore) {
		from = issuer.NotBefore
	}
	if to.After(issuer.NotAfter) {
		to = issuer.NotAfter
	}
	if !p.NotBefore.IsZero() && p.NotBefore.Before(from) {
		from = p.NotBefore
	}
	return &entry{
		from:  from,
		until: now.Add(min(leafUse, to.Sub(now)/3)),
		leaf: sync.OnceValues(func() (*tls.Certificate, error) {
			if err := checkDates(issuer, now, renew(ca.dir)); err != nil {
				return nil, fmt.Errorf("%s %w", ca.CertificateFile(), err)
			}
			key, err := ca.keys[p.Bits].at(now)
			if err != nil {
				return nil, err
			}
			template := leafTemplate(ca.namesFor(name, sans), from, to)
			if p.ECDSA { // it enciphers nothing; old NSS asks for key agreement
				template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
			}
			if ca.listURL != "" {
				template.CRLDistributionPoints = []string{ca.listURL + "/" + ca.ID() + ".crl"}
			}
			if p.SHA1 {
				template.SignatureAlgorithm = x509.SHA1WithRSA
			}
			above, err := ca.above(p)
			if err != nil {
				return nil, err
			}
			return ca.sign(template, key, above)
		}),
	}
}

func leafTemplate(names []string, from, to time.Time) *x509.Certificate {
	t := &x509.Certificate{
		SerialNumber:          newSerial(),
		SignatureAlgorithm:    x509.SHA256WithRSA,
		NotBefore:             from,
		NotAfter:              to,
		BasicConstraintsValid: true,
		// Key encipherment is what the RSA key exchange does.
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    names,
	}
	// Old devices look at nothing but the common name.
	if len(names[0]) <= maxCommonName {
		t.Subject = pkix.Name{CommonName: names[0]}
	}
	return t
}

// above returns what follows a leaf. Clients have the root, so a leaf of our
// own CA goes alone: some devices can store no more than two certificates.
// Under an operator's intermediate CA they need what lies between.
func (ca *authority) above(p Profile) ([][]byte, error) {
	var chain [][]byte
	for i, c := range ca.path {
		switch {
		case !isRoot(c):
		case !p.WithCA:
			continue
		case i == 0: // it is our own
			var err error
			if c, err = ca.Form(Form{SHA1: p.SHA1, Backdated: !p.NotBefore.IsZero()}); err != nil {
				return nil, err
			}
		}
		chain = append(chain, c.Raw)
	}
	return chain, nil
}

// sign makes the certificate of template, which above follows.
func (ca *CA) sign(template *x509.Certificate, key crypto.Signer, above [][]byte) (*tls.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Certificate(), key.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	ca.issued.Add(1)
	return &tls.Certificate{Certificate: append([][]byte{der}, above...), PrivateKey: key, Leaf: leaf}, nil
}
