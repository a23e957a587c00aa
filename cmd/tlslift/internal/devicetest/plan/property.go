package plan

import (
	"strings"

	"github.com/tlslift/tlslift/proxy/clientfile"
)

// A property is something about the handshake that the clients file can change.
type property int

// The properties, in the order in which they are left out: what costs the most security or
// time first.
const (
	shortKey property = iota
	backdated
	oldHash
	newHash
	withCA
	rsaKey
	longDH
)

const (
	shortBits = 1024
	longBits  = 2048
)

// compatible returns the properties that are changed together for a device that rejects
// what it got: all that it does not have already.
func compatible(o clientfile.Options, t *Try) (all []property) {
	add := func(c property, missing bool) {
		if missing {
			all = append(all, c)
		}
	}
	add(shortKey, o.Leaf.Bits == 0 && !signsOnly(t))
	add(backdated, o.Leaf.NotBefore.IsZero())
	add(oldHash, !t.SHA1)
	add(newHash, t.SHA1)
	add(withCA, !o.Leaf.WithCA)
	add(rsaKey, t.ECDSA)
	add(longDH, o.DHBits == 0 && strings.HasPrefix(t.Suite, "TLS_DHE"))
	return all
}

// signsOnly reports whether the device may ask for signatures that are too long for a short
// key, as clients of TLS 1.2 do.
func signsOnly(t *Try) bool { return t.Hello != nil && len(t.Hello.SignatureAlgorithms) > 0 }

// set changes options.
func (c property) set(o *clientfile.Options) {
	switch c {
	case shortKey:
		o.Leaf.Bits = shortBits
	case backdated:
		o.Leaf.NotBefore = longAgo
	case oldHash:
		o.Leaf.Hash = clientfile.HashSHA1
	case newHash:
		o.Leaf.Hash = clientfile.HashSHA256
	case withCA:
		o.Leaf.WithCA = true
	case rsaKey:
		o.Leaf.KeyType = clientfile.KeyTypeRSA
	case longDH:
		o.DHBits = longBits
	}
}

// drop gives options the property of others.
func (c property) drop(o *clientfile.Options, of clientfile.Options) {
	switch c {
	case shortKey:
		o.Leaf.Bits = of.Leaf.Bits
	case backdated:
		o.Leaf.NotBefore = of.Leaf.NotBefore
	case oldHash, newHash:
		o.Leaf.Hash = of.Leaf.Hash
	case withCA:
		o.Leaf.WithCA = of.Leaf.WithCA
	case rsaKey:
		o.Leaf.KeyType = of.Leaf.KeyType
	case longDH:
		o.DHBits = of.DHBits
	}
}

// without says how the certificate is without the property.
func (c property) without() string {
	switch c {
	case shortKey:
		return "the key of the certificate has 2048 bits, and not 1024"
	case backdated:
		return "the certificate is valid from now on, and not from 2000 on"
	case oldHash:
		return "the certificate is signed with SHA-256, and not with SHA-1"
	case newHash:
		return "the certificate is signed with SHA-1, and not with SHA-256"
	case withCA:
		return "the certificate of the CA is not sent along"
	case rsaKey:
		return "the certificate may have an ECDSA key"
	}
	return "the group for DHE has 1024 bits, and not 2048"
}
