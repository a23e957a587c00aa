package localca

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// A Form is another certificate of the same CA: same key, names, key identifier
// and extensions, so that it verifies the same leaves. The zero value is the one
// in ca.pem.
type Form struct {
	// SHA1 has it signed with SHA-1. Clients that check or parse a root's own
	// signature and know no SHA-256 need that, as OpenSSL 0.9.7 and PolarSSL 0.10.
	SHA1 bool
	// Backdated makes it valid from 1970 on, for clients whose clock stands years
	// back and that check the dates of the CA too.
	Backdated bool
}

// oidAuthorityKeyID is id-ce-authorityKeyIdentifier (RFC 5280 section 4.2.1.1).
var oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}

// Form returns the certificate of the CA in a form. It is the same each time. It is
// nil for a CA that is not its own root: another one has signed its certificate.
func (ca *authority) Form(f Form) (*x509.Certificate, error) {
	own := ca.Certificate()
	switch {
	case !isRoot(own):
		return nil, nil
	case f == Form{}:
		return own, nil
	}
	again := *own
	// Exactly these, in their order, but for an authorityKeyIdentifier: it can name a
	// certificate by issuer and serial number, which is then another one.
	again.ExtraExtensions = slices.DeleteFunc(slices.Clone(own.Extensions), func(e pkix.Extension) bool {
		return e.Id.Equal(oidAuthorityKeyID)
	})
	// Some programs refuse two certificates of one issuer and serial number.
	sum := sha256.Sum256(fmt.Appendf(nil, "tlslift form of a CA %t %t %x", f.SHA1, f.Backdated, own.Raw))
	sum[0] = sum[0]&0x3f | 0x40 // as newSerial
	again.SerialNumber = new(big.Int).SetBytes(sum[:16])
	again.SignatureAlgorithm = x509.SHA256WithRSA
	if f.SHA1 {
		again.SignatureAlgorithm = x509.SHA1WithRSA
	}
	if f.Backdated {
		again.NotBefore = time.Unix(0, 0).UTC()
	}
	der, err := x509.CreateCertificate(rand.Reader, &again, &again, own.PublicKey, ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of the CA again: %w", err)
	}
	return x509.ParseCertificate(der)
}

// ReadForm returns a form of the CA of o.Dir, whose key it reads.
func ReadForm(o Options, f Form) (*x509.Certificate, error) {
	o, err := o.normalised()
	if err != nil {
		return nil, err
	}
	a, err := load(o, o.Now().Round(0))
	if err != nil {
		return nil, fmt.Errorf("loading the CA: %w", err)
	}
	c, err := a.Form(f)
	if c == nil && err == nil {
		err = errors.New("this CA is signed by another one, and has one form only")
	}
	return c, err
}
