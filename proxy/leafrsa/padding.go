package leafrsa

import (
	"crypto"
	"crypto/rand"
	_ "crypto/sha256" // PSS
	_ "crypto/sha512" // PSS
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// minPadding is what is in a message of PKCS #1 v1.5 besides its content.
const minPadding = 11

var errKeyTooShort = errors.New("the key is too short for this hash")

// digestInfo is what comes before a digest (RFC 8017 section 9.2, note 1). Before TLS 1.2
// there is nothing (RFC 2246 section 7.4.3).
var digestInfo = map[crypto.Hash]string{
	crypto.MD5SHA1: "",
	crypto.SHA1:    "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
	crypto.SHA224:  "\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c",
	crypto.SHA256:  "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
	crypto.SHA384:  "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
	crypto.SHA512:  "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
}

// encodePKCS1 returns the message of a signature for a modulus of some bits (RFC 8017
// section 9.2). All of it is public.
func encodePKCS1(bits int, hash crypto.Hash, digest []byte) ([]byte, error) {
	info := digestInfo[hash]
	m := make([]byte, (bits+7)/8)
	separator := len(m) - len(info) - len(digest) - 1
	if separator < minPadding-1 {
		return nil, errKeyTooShort
	}
	m[1] = 1
	for i := 2; i < separator; i++ {
		m[i] = 0xff
	}
	copy(m[copy(m[separator+1:], info)+separator+1:], digest)
	return m, nil
}

// encodePSS returns the message of a signature with a salt as long as the hash (RFC 8017
// section 9.1.1), for a modulus whose bits are a multiple of eight. All of it is public.
func encodePSS(bits int, hash crypto.Hash, digest []byte) ([]byte, error) {
	m := make([]byte, bits/8)
	size := len(digest)
	if !hash.Available() {
		return nil, errors.New("there is no PSS with this hash")
	}
	if len(m) < 2*size+2 {
		return nil, errKeyTooShort
	}
	masked, rest := m[:len(m)-size-1], m[len(m)-size-1:]
	salt := masked[len(masked)-size:]
	_, _ = rand.Read(salt) // never returns an error
	h := hash.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	h.Write(salt)
	copy(rest, h.Sum(nil))
	rest[size] = 0xbc
	masked[len(masked)-size-1] = 1
	mask(masked, hash, rest[:size])
	masked[0] &= 0x7f
	return m, nil
}

// mask combines data with what MGF1 makes of seed (RFC 8017 appendix B.2.1).
func mask(data []byte, hash crypto.Hash, seed []byte) {
	for counter := uint32(0); len(data) > 0; counter++ {
		h := hash.New()
		h.Write(seed)
		h.Write(binary.BigEndian.AppendUint32(nil, counter))
		data = data[subtle.XORBytes(data, data, h.Sum(nil)):]
	}
}

// copySessionKey copies the content of a message of PKCS #1 v1.5 to secret if it has that
// length, and else leaves secret as it is, in the same time (RFC 8017 section 7.2.2). The
// length is known, so the separator can be in one place only.
func copySessionKey(secret, message []byte) {
	separator := len(message) - len(secret) - 1
	good := subtle.ConstantTimeByteEq(message[0], 0) & subtle.ConstantTimeByteEq(message[1], 2) &
		subtle.ConstantTimeByteEq(message[separator], 0)
	for _, b := range message[2:separator] {
		good &^= subtle.ConstantTimeByteEq(b, 0)
	}
	subtle.ConstantTimeCopy(good, secret, message[separator+1:])
}
