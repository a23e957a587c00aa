package legacytls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
)

// A leafKey is the key of a certificate, of the standard library or another package.
type leafKey struct {
	kind      Keys
	signer    crypto.Signer
	decrypter crypto.Decrypter // of RSA; nil for ECDSA
	bits      int              // of RSA
}

// leafKeyOf returns the key that key is; false if it is of no use here.
func leafKeyOf(key crypto.PrivateKey) (leafKey, bool) {
	signer, is := key.(crypto.Signer)
	if !is {
		return leafKey{}, false
	}
	switch public := signer.Public().(type) {
	case *rsa.PublicKey:
		decrypter, is := key.(crypto.Decrypter)
		return leafKey{RSAKey, signer, decrypter, public.N.BitLen()}, is
	case *ecdsa.PublicKey:
		return leafKey{kind: ECDSAKey, signer: signer}, public.Curve == elliptic.P256()
	}
	return leafKey{}, false
}
