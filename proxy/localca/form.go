package localca

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
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

// Form returns the certificate of the CA in a form. It is the same each time. It is
// nil for a CA that is not its own root: another one has signed its certificate.
func (ca *CA) Form(f Form) (*x509.Certificate, error) {
	own := ca.Certificate()
	switch {
	case !isRoot(own):
		return nil, nil
	case f == Form{}:
		return own, nil
	}
	again := *own
	again.ExtraExtensions = own.Extensions // exactly these, in their order
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
