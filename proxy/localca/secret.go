package localca

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
)

const secretLen = 32

// Secret returns 32 bytes that follow from the CA's key and a label, and from
// which the key does not follow: whoever has the same CA has the same secret.
func (ca *CA) Secret(label string) ([]byte, error) {
	key := x509.MarshalPKCS1PrivateKey(ca.key)
	defer clear(key)
	return hkdf.Key(sha256.New, key, nil, "tlslift "+label, secretLen)
}
