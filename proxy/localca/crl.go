package localca

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// A RevocationList says what a revocation list (CRL) has.
type RevocationList struct {
	// Number is above that of the list before (RFC 5280 section 5.2.3).
	Number *big.Int
	// From and Until are its dates: until then there is another one.
	From, Until time.Time
	// Revoked are the certificates in it. Leaves are never among them: they are short-lived,
	// and their key never leaves the process.
	Revoked []x509.RevocationListEntry
}

// SignsLists returns why the CA can sign no revocation list; nil if it can.
func (ca *Public) SignsLists() error {
	own := ca.Certificate()
	switch {
	case own.KeyUsage&x509.KeyUsageCRLSign == 0:
		return errors.New("the CA may not sign a revocation list: its key usage does not have cRLSign")
	case len(own.SubjectKeyId) == 0:
		return errors.New("the CA can sign no revocation list: its certificate has no subject key identifier")
	}
	return nil
}

// SignList returns a revocation list in DER form.
func (ca *authority) SignList(l RevocationList) ([]byte, error) {
	if err := ca.SignsLists(); err != nil {
		return nil, err
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		SignatureAlgorithm: x509.SHA256WithRSA, Number: l.Number, ThisUpdate: l.From, NextUpdate: l.Until,
		RevokedCertificateEntries: l.Revoked,
	}, ca.Certificate(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("signing a revocation list: %w", err)
	}
	return der, nil
}
