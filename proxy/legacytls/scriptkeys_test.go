package legacytls

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// hearKeyExchange reads ServerKeyExchange and verifies its signature.
func (c *script) hearKeyExchange() {
	body := c.hear(msgServerKeyExchange)
	s := body
	var part cryptobyte.String
	if suiteByID(c.answer.suite).kx == kxECDHE {
		s.Skip(3)
		s.ReadUint8LengthPrefixed(&part)
	} else {
		for range 3 {
			s.ReadUint16LengthPrefixed(&part)
		}
	}
	c.answer.params = body[:len(body)-len(s)]
	hashed := slices.Concat(c.hello.random(), c.answer.random, c.answer.params)
	hash, digest := crypto.MD5SHA1, sum(md5.New, hashed)
	digest = append(digest, sum(sha1.New, hashed)...)
	if c.answer.ecdsaKey != nil {
		digest = sum(sha1.New, hashed)
	}
	if c.answer.version == tls.VersionTLS12 {
		s.ReadUint16(&c.answer.scheme)
		hash = map[uint16]crypto.Hash{
			0x0201: crypto.SHA1, 0x0301: crypto.SHA224, 0x0401: crypto.SHA256, 0x0501: crypto.SHA384, 0x0601: crypto.SHA512,
			0x0804: crypto.SHA256, 0x0805: crypto.SHA384, 0x0806: crypto.SHA512,
			0x0203: crypto.SHA1, 0x0303: crypto.SHA224, 0x0403: crypto.SHA256, 0x0503: crypto.SHA384, 0x0603: crypto.SHA512,
		}[c.answer.scheme]
		if hash == 0 {
			c.fail("the signature is of %04x", c.answer.scheme)
			return
		}
		digest = sum(hash.New, hashed)
	}
	if !s.ReadUint16LengthPrefixed(&part) || !s.Empty() {
		c.fail("malformed ServerKeyExchange")
		return
	}
	if err := c.verify(hash, digest, part); err != nil {
		c.fail("verifying ServerKeyExchange: %w", err)
	}
}

// verify verifies a signature of the server.
func (c *script) verify(hash crypto.Hash, digest, signature []byte) error {
	a := c.answer
	switch {
	case suiteByID(a.suite).ecdsa != (a.ecdsaKey != nil), (a.scheme&0xff == 3) != (a.ecdsaKey != nil && a.scheme != 0):
		return fmt.Errorf("%s with a key of type %T and a signature of %04x", SuiteName(a.suite), a.key, a.scheme)
	case a.ecdsaKey != nil && !ecdsa.VerifyASN1(a.ecdsaKey, digest, signature):
		return errors.New("the signature of ECDSA is wrong")
	case a.ecdsaKey != nil:
		return nil
	case a.scheme >= 0x0804:
		return rsa.VerifyPSS(a.key, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return rsa.VerifyPKCS1v15(a.key, hash, digest, signature)
}

func sum(newHash func() hash.Hash, data []byte) []byte {
	h := newHash()
	h.Write(data)
	return h.Sum(nil)
}

// keyExchange makes the premaster secret and the body of ClientKeyExchange.
func (c *script) keyExchange() (premaster, body []byte) {
	if c.err != nil {
		return nil, nil
	}
	switch suiteByID(c.answer.suite).kx {
	case kxECDHE:
		return c.ecdhe()
	case kxDHE:
		return c.dhe()
	}
	premaster = append(u16(c.hello.theVersion()), bytes.Repeat([]byte{7}, premasterLen-2)...)
	return premaster, vec16(c.encrypt(premaster))
}

// encrypt is RSA for the server.
func (c *script) encrypt(secret []byte) []byte {
	if c.err != nil {
		return nil
	}
	//lint:ignore SA1019 RFC 5246 section 7.4.7.1
	b, err := rsa.EncryptPKCS1v15(rand.Reader, c.answer.key, secret) //nolint:staticcheck // what old clients do
	if err != nil {
		c.fail("encrypting: %w", err)
	}
	return b
}

func (c *script) ecdhe() (premaster, body []byte) {
	p := c.answer.params
	curve := map[uint16]ecdh.Curve{23: ecdh.P256(), 24: ecdh.P384(), 25: ecdh.P521(), 29: ecdh.X25519()}[binary.BigEndian.Uint16(p[1:])]
	peer, err := curve.NewPublicKey(p[4:])
	if err != nil {
		c.fail("reading the server's key: %w", err)
		return nil, nil
	}
	key, err := curve.GenerateKey(rand.Reader)
	if err == nil {
		premaster, err = key.ECDH(peer)
	}
	if err != nil {
		c.fail("agreeing on a key: %w", err)
	}
	return premaster, vec8(key.PublicKey().Bytes())
}

// prime and public are what the server sent for DHE.
func (c *script) prime() (prime, public *big.Int) {
	s := cryptobyte.String(c.answer.params)
	var p, g, y cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&p) || !s.ReadUint16LengthPrefixed(&g) || !s.ReadUint16LengthPrefixed(&y) || g[0] != 2 {
		c.fail("malformed parameters for DHE")
	}
	return new(big.Int).SetBytes(p), new(big.Int).SetBytes(y)
}

func (c *script) dhe() (premaster, body []byte) {
	p, y := c.prime()
	x := new(big.Int).SetBytes(bytes.Repeat([]byte{3}, 20))
	public := new(big.Int).Exp(big.NewInt(2), x, p)
	return new(big.Int).Exp(y, x, p).Bytes(), vec16(public.Bytes())
}

// sayKeyExchange sends ClientKeyExchange and computes the keys.
func (c *script) sayKeyExchange() {
	premaster, body := c.keyExchange()
	c.sayKey(premaster, body)
}

// sayKey is sayKeyExchange with a secret and a body that may not belong
// together.
func (c *script) sayKey(premaster, body []byte) {
	if c.err != nil {
		return
	}
	c.say(handshakeMessage(msgClientKeyExchange, body))
	p := c.prf()
	c.master = make([]byte, masterLen)
	if c.answer.extensions[extExtendedMaster] != nil {
		p.fill(c.master, premaster, "extended master secret", c.transcript())
	} else {
		p.fill(c.master, premaster, "master secret", c.hello.random(), c.answer.random)
	}
	c.deriveKeys()
}

func (c *script) prf() prf { return prf{c.answer.version, suiteByID(c.answer.suite).prf12} }

func (c *script) transcript() []byte {
	if c.answer.version == tls.VersionTLS12 {
		return sum(suiteByID(c.answer.suite).prf12.new, c.said)
	}
	return append(sum(md5.New, c.said), sum(sha1.New, c.said)...)
}

// deriveKeys computes the keys of both directions (RFC 5246 section 6.3).
func (c *script) deriveKeys() {
	s := suiteByID(c.answer.suite)
	block := make([]byte, 2*(s.macLen()+s.keyLen+s.ivLen))
	c.prf().fill(block, c.master, "key expansion", c.answer.random, c.hello.random())
	var side [2]keys
	for _, part := range []struct {
		n  int
		of func(k *keys) *[]byte
	}{
		{s.macLen(), func(k *keys) *[]byte { return &k.mac }},
		{s.keyLen, func(k *keys) *[]byte { return &k.key }},
		{s.ivLen, func(k *keys) *[]byte { return &k.iv }},
	} {
		*part.of(&side[0]), *part.of(&side[1]), block = block[:part.n], block[part.n:2*part.n], block[2*part.n:]
	}
	var errs [2]error
	c.next[0], errs[0] = newProtection(c.answer.version, s, side[1], true)
	c.next[1], errs[1] = newProtection(c.answer.version, s, side[0], false)
	if err := errors.Join(errs[:]...); err != nil {
		c.fail("deriving keys: %w", err)
		return
	}
	_, macLast := c.answer.extensions[extEncryptThenMAC]
	c.next[0].macLast, c.next[1].macLast = macLast, macLast
}
