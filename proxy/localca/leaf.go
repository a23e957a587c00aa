package localca

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// leafLife is how long a leaf is valid, within the life of the CA.
	leafLife = 30 * 24 * time.Hour
	// leafUse is how long a leaf is handed out at most. With it a key of the
	// leaves is in use for keyUse and one leafUse at most.
	leafUse = 24 * time.Hour
	// keyUse is how long new leaves get the same key.
	keyUse = 7 * 24 * time.Hour
	// maxCommonName is the upper bound of RFC 5280 appendix A.1.
	maxCommonName = 64
)

// Leaf returns a certificate for the destination name that has also the names
// of mirror, those of the verified upstream certificate, as far as the CA may
// sign for them and to a hundred in all. It comes from a cache, so it must not
// be changed. One leaf is signed at most for any number of concurrent calls
// that want the same, and other calls do not wait for that.
func (ca *CA) Leaf(name string, mirror []string) (*tls.Certificate, error) {
	name = strings.ToLower(name)
	if !isHost(name) {
		return nil, fmt.Errorf("making a leaf for %.253q: it is not a DNS name", name)
	}
	now := ca.clock()
	e := ca.leaves.get(cacheKey(name, mirror), now, func() *entry { return ca.newEntry(name, mirror, now) })
	cert, err := e.leaf()
	if err != nil {
		ca.leaves.drop(e)
		return nil, fmt.Errorf("making a leaf for %s: %w", name, err)
	}
	return cert, nil
}

// cacheKey stands for a leaf's names in the order given. It is a hash so that
// a long list takes no more room than a short one.
func cacheKey(name string, mirror []string) [sha256.Size]byte {
	h := sha256.New()
	for _, s := range append([]string{name}, mirror...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// newEntry returns an entry whose leaf is made when it is first asked for.
func (ca *CA) newEntry(name string, mirror []string, now time.Time) *entry {
	issuer := ca.Certificate()
	from, to := now.Add(-backdate), now.Add(leafLife)
	if from.Before(issuer.NotBefore) {
		from = issuer.NotBefore
	}
	if to.After(issuer.NotAfter) {
		to = issuer.NotAfter
	}
	return &entry{
		from:  from,
		until: now.Add(min(leafUse, to.Sub(now)/3)),
		leaf: sync.OnceValues(func() (*tls.Certificate, error) {
			if err := checkDates(issuer, now, renew(ca.dir)); err != nil {
				return nil, fmt.Errorf("%s %w", ca.CertificateFile(), err)
			}
			key, err := ca.leafKey.at(now)
			if err != nil {
				return nil, err
			}
			return ca.sign(leafTemplate(ca.namesFor(name, mirror), from, to), key)
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

// sign makes the certificate of template. Clients have the root, so a leaf of
// our own CA goes alone: some devices can store no more than two certificates.
// Under an operator's intermediate CA they need what lies between.
func (ca *CA) sign(template *x509.Certificate, key *rsa.PrivateKey) (*tls.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Certificate(), &key.PublicKey, ca.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	ca.issued.Add(1)
	chain := [][]byte{der}
	for _, c := range ca.path {
		if !isRoot(c) {
			chain = append(chain, c.Raw)
		}
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

// leafKey is the key that all new leaves share. Making one takes seconds on a
// small machine, far longer than a signature does.
type leafKey struct {
	current  atomic.Pointer[datedKey]
	changing sync.Mutex
}

type datedKey struct {
	*rsa.PrivateKey
	made time.Time
}

// fresh is false too when the clock was set back by more than the key's use.
func (k *datedKey) fresh(now time.Time) bool {
	return now.Sub(k.made).Abs() < keyUse
}

// at returns the key to use now. The caller that finds it too old makes the
// next one, and the others use the old one until then.
func (l *leafKey) at(now time.Time) (*rsa.PrivateKey, error) {
	if k := l.current.Load(); k.fresh(now) || !l.changing.TryLock() {
		return k.PrivateKey, nil
	}
	defer l.changing.Unlock()
	// Another caller may have made it between the look and the lock.
	if !l.current.Load().fresh(now) {
		if err := l.change(now); err != nil {
			return nil, fmt.Errorf("making its key: %w", err)
		}
	}
	return l.current.Load().PrivateKey, nil
}

// change makes a key; it must come before the first call of at.
func (l *leafKey) change(now time.Time) error {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err == nil {
		l.current.Store(&datedKey{key, now})
	}
	return err
}
