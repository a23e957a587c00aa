package localca

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // old companies have CAs with it
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// soon is how long a CA should be valid at least: to replace it, every client has to be
// visited.
const soon = 365 * 24 * time.Hour

// A Bundle is the CA of an operator: an intermediate one of a company, or a root.
type Bundle struct {
	// Certificates has the CA's own and those above it, in any order and with others.
	Certificates []*x509.Certificate
	Key          *rsa.PrivateKey
}

// ParseBundle reads certificates and a key in PEM form, which may be in several texts. Its
// errors quote nothing of them.
func ParseBundle(texts ...[]byte) (Bundle, error) {
	var b Bundle
	var keyErr error
	for _, text := range texts {
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "CERTIFICATE" {
				continue
			}
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return Bundle{}, errors.New("a certificate is broken")
			}
			b.Certificates = append(b.Certificates, c)
		}
		if b.Key == nil && bytes.Contains(text, []byte("PRIVATE KEY")) {
			b.Key, keyErr = parseKey(text)
		}
	}
	switch {
	case len(b.Certificates) == 0:
		return Bundle{}, errors.New("there is no certificate in PEM form")
	case keyErr != nil:
		return Bundle{}, fmt.Errorf("the file of the key %w", keyErr)
	case b.Key == nil:
		return Bundle{}, errors.New("there is no private key in PEM form")
	}
	return b, nil
}

// public returns the CA whose key b has, with those above it, or why clients would not take
// its leaves.
func (b Bundle) public(now time.Time) (*Public, error) {
	i := slices.IndexFunc(b.Certificates, func(c *x509.Certificate) bool { return b.Key.PublicKey.Equal(c.PublicKey) })
	if i < 0 {
		return nil, errors.New("the key belongs to none of the certificates")
	}
	own := b.Certificates[i]
	if err := checkCA(own); err != nil {
		return nil, fmt.Errorf("the certificate of the key (%s) %w", own.Subject, err)
	}
	path := []*x509.Certificate{own}
	for last := own; !isRoot(last); {
		j := slices.IndexFunc(b.Certificates, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, last.RawIssuer) && !slices.ContainsFunc(path, c.Equal) && isSignedBy(last, c)
		})
		if j < 0 {
			break
		}
		last = b.Certificates[j]
		path = append(path, last)
	}
	for below, c := range path {
		if err := checkAbove(c, below, now); err != nil {
			return nil, fmt.Errorf("the certificate of %s %w", c.Subject, err)
		}
	}
	ca := newPublic(path, "", nil)
	return &ca, nil
}

// isSignedBy reports whether a certificate is signed by the CA of another one. It takes SHA-1,
// of which unwise warns: old companies have such CAs, and x509 takes none.
func isSignedBy(c, above *x509.Certificate) bool {
	err := c.CheckSignatureFrom(above)
	key, isRSA := above.PublicKey.(*rsa.PublicKey)
	if !isRSA || c.SignatureAlgorithm != x509.SHA1WithRSA || !errors.As(err, new(x509.InsecureAlgorithmError)) {
		return err == nil
	}
	sum := sha1.Sum(c.RawTBSCertificate) //nolint:gosec // it says which file an operator meant, and protects nothing
	return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], c.Signature) == nil
}

// checkAbove returns why a certificate does not let leaves be valid that so many CAs below
// it lead to. Its errors continue a sentence that begins with the certificate.
func checkAbove(c *x509.Certificate, below int, now time.Time) error {
	switch serves := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageAny}; {
	case !c.BasicConstraintsValid || !c.IsCA:
		return errors.New("is not that of a CA")
	case c.MaxPathLen >= 0 && (c.MaxPathLen > 0 || c.MaxPathLenZero) && c.MaxPathLen < below:
		return fmt.Errorf("permits only %d CAs below it, and there are %d (pathlen)", c.MaxPathLen, below)
	case len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 &&
		!slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return slices.Contains(serves, u) }):
		return errors.New("is not for servers (extended key usage)")
	}
	return checkDates(c, now, "ask who runs that CA for another one")
}

// Import puts the CA of an operator into o.Dir, or beside the CA that is there, as the new
// one of a rotation. It returns it, and what is permitted and unwise about it. With an error
// nothing has changed.
func Import(o Options, b Bundle) (*Public, []string, error) {
	o, err := o.normalised()
	if err != nil {
		return nil, nil, err
	}
	now := o.Now().Round(0)
	ca, err := b.public(now)
	if err != nil {
		return nil, nil, err
	}
	ca.needed = o.Permitted
	keyDER, err := x509.MarshalPKCS8PrivateKey(b.Key)
	if err != nil {
		return nil, nil, errors.New("the key cannot be written")
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	defer clear(keyPEM)
	defer clear(keyDER)
	var certPEM []byte
	for _, c := range ca.path {
		certPEM = append(certPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	if none, err := vacant(o.Dir); err != nil {
		return nil, nil, fmt.Errorf("looking for a CA: %w", err)
	} else if !none {
		if o, err = o.rotatable(); err != nil {
			return nil, nil, err
		}
		o.Dir = NewDir(o.Dir)
	} else if none, err := vacant(NewDir(o.Dir)); err != nil {
		return nil, nil, fmt.Errorf("looking for a new CA: %w", err)
	} else if !none { // it is the only one: finishing the rotation was interrupted
		return nil, nil, ErrRotating
	}
	if err := o.putNew(certPEM, keyPEM); err != nil {
		return nil, nil, err
	}
	ca, err = Read(o)
	if err != nil {
		return nil, nil, err
	}
	return ca, ca.unwise(now), nil
}

// unwise returns what is permitted and unwise about a CA.
func (ca *Public) unwise(now time.Time) []string {
	all := ca.Excess()
	own, last := ca.path[0], ca.path[len(ca.path)-1]
	if left := own.NotAfter.Sub(now); left < soon {
		all = append(all, fmt.Sprintf("it expires in %d days, at %s", int(left.Hours()/24), date(own.NotAfter)))
	}
	if !isRoot(last) {
		all = append(all, fmt.Sprintf("the certificate of %s, which has signed it, is not in the file: clients have to trust that one or have it",
			last.Issuer))
	}
	for _, c := range ca.path {
		if c.SignatureAlgorithm == x509.SHA1WithRSA && !isRoot(c) {
			all = append(all, fmt.Sprintf("the certificate of %s is signed with SHA-1, which current programs refuse", c.Subject))
		}
	}
	if domains := ca.uncovered(); len(domains) > 0 {
		all = append(all, "it may not sign for hosts that clients are lifted to: "+someOf(domains))
	}
	if own.KeyUsage != 0 && own.KeyUsage&x509.KeyUsageCRLSign == 0 {
		all = append(all, "it may not sign a revocation list (CRL)")
	}
	return all
}

// uncovered returns the domains that are needed, and that it may not sign for.
func (ca *Public) uncovered() []string {
	return slices.DeleteFunc(slices.Clone(ca.needed), ca.Covers)
}
