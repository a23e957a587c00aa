// Package pkcs7 writes certificates in the form of .p7b files. It signs nothing, and reads
// nothing.
package pkcs7

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
)

// RFC 2315, sections 7 and 9.1. An explicit tag is written by hand around what
// it tags, since encoding/asn1 ignores tags on raw values.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"optional"`
	}
	signedData struct {
		Version      int
		Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
		Content      contentInfo
		Certificates asn1.RawValue
		Signers      []asn1.RawValue `asn1:"set"`
	}
)

// CertificatesOnly returns a SignedData without a signature, which is how
// certificates travel in a .p7b file (RFC 5652 section 5.1).
func CertificatesOnly(certificates ...[]byte) ([]byte, error) {
	data := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	signed := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	inner, err := asn1.Marshal(signedData{
		Version:      1,
		Digests:      []pkix.AlgorithmIdentifier{},
		Content:      contentInfo{Type: data},
		Certificates: tagged(slices.Concat(certificates...)),
		Signers:      []asn1.RawValue{},
	})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(contentInfo{Type: signed, Content: tagged(inner)})
}

// tagged puts [0] around content.
func tagged(content []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: content}
}
