package legacytls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"slices"

	"github.com/tlslift/tlslift/proxy/aescbc"
)

// Records (RFC 5246 section 6.2).
const (
	recordHeaderLen = 5
	maxPlaintext    = 16 << 10
	maxExpansion    = 2048 // of a record by its protection

	typeChangeCipherSpec = 20
	typeAlert            = 21
	typeHandshake        = 22
	typeApplicationData  = 23
)

// AES-GCM (RFC 5288 section 3).
const (
	gcmSaltLen     = 4
	gcmExplicitLen = 8
)

// Of every AEAD (RFC 5288 section 3, RFC 7905 section 2).
const (
	nonceLen = 12
	tagLen   = 16
)

// After so many bytes of blocks of 64 bits, two of them that are alike tell something
// of what is in them (Sweet32). The connection ends well before 2^32 of these blocks.
const (
	shortBlock     = 8
	maxShortBlocks = 1<<30 - 1<<17
	// maxShortExpansion is the most that their MAC, padding and initialization vector add.
	maxShortExpansion = 64
)

// A protection is how the records of one direction are protected. The zero
// value leaves them as they are.
type protection struct {
	version uint16
	seq     uint64

	mac *recordMAC
	// macLast says that what is encrypted gets the MAC, and not what is to be
	// (RFC 7366).
	macLast bool
	stream  cipher.Stream
	block   cipher.BlockMode
	aead    cipher.AEAD
	iv      [nonceLen]byte // the fixed part of the nonce; GCM's has gcmSaltLen bytes
	// explicit is how much of the nonce is in each record. Without it, the
	// sequence number is part of the nonce.
	explicit int

	// hasShortBlocks says that the blocks have 64 bits, as those of 3DES and DES, of
	// which left bytes may still be protected by one key.
	hasShortBlocks bool
	left           int64

	// They are here, and not local, because they would be allocated for each record.
	header [macHeaderLen]byte
	nonce  [nonceLen]byte
}

// keys are what a suite needs for one direction.
type keys struct{ mac, key, iv []byte }

// newProtection protects what is written, or opens what is read.
func newProtection(version uint16, s *suite, k keys, read bool) (*protection, error) {
	p := &protection{version: version}
	if s.mac != nil {
		p.mac = newRecordMAC(s.mac, k.mac)
	}
	var err error
	switch {
	case s.aead != nil:
		p.explicit = nonceLen - copy(p.iv[:], k.iv)
		p.aead, err = s.aead(k.key)
		return p, err
	case s.block == nil:
		p.stream, err = s.stream(k.key)
		return p, err
	}
	if p.block, err = newCBC(s, k, read); err != nil {
		return nil, err
	}
	p.hasShortBlocks, p.left = p.block.BlockSize() == shortBlock, maxShortBlocks
	return p, nil
}

// newCBC returns what encrypts, or decrypts what is read.
func newCBC(s *suite, k keys, read bool) (cipher.BlockMode, error) {
	switch isAES := s.ivLen == aes.BlockSize; {
	case isAES && read:
		return aescbc.NewDecrypter(k.key, k.iv)
	case isAES:
		return aescbc.NewEncrypter(k.key, k.iv)
	}
	block, err := s.block(k.key)
	switch {
	case err != nil:
		return nil, err
	case read:
		return cipher.NewCBCDecrypter(block, k.iv), nil
	}
	return cipher.NewCBCEncrypter(block, k.iv), nil
}

// wear counts the bytes of a record of data. The error ends the connection.
func (p *protection) wear(n int) error {
	if !p.hasShortBlocks {
		return nil
	}
	if p.left -= int64(n); p.left < 0 {
		return fault(alertInternalError, "the connection has carried as much as 3DES and DES protect; the client must open another one")
	}
	return nil
}

// isProtected reports whether records are protected at all.
func (p *protection) isProtected() bool { return p.mac != nil || p.aead != nil }

// explicitIV reports whether CBC records begin with their initialization vector,
// as they do since TLS 1.1 (RFC 4346 section 6.2.3.2). It is a block of its own
// in the chain: its plaintext is random when written, and of no meaning when
// read.
func (p *protection) explicitIV() int {
	if p.version >= tls.VersionTLS11 {
		return p.block.BlockSize()
	}
	return 0
}

// macHeader begins the input of a MAC, and is an AEAD's additional data. It is
// good until the next one.
func (p *protection) macHeader(typ byte, n int) *[macHeaderLen]byte {
	h := &p.header
	binary.BigEndian.PutUint64(h[:], p.seq)
	h[8] = typ
	binary.BigEndian.PutUint16(h[9:], p.version)
	binary.BigEndian.PutUint16(h[11:], uint16(n)) //nolint:gosec // at most the length of a record
	return h
}

// open removes the protection of a record, in place if into is nil. Else, into has room for
// as much as the payload; the data is at its beginning, and something else after that. The
// error is the same whatever was wrong.
func (p *protection) open(typ byte, payload, into []byte) ([]byte, error) {
	if err := p.wear(len(payload)); err != nil {
		return nil, err
	}
	data, ok := p.opened(typ, payload, into)
	if !ok {
		return nil, fault(alertBadRecordMAC, "a record does not verify")
	}
	p.seq++
	return data, nil
}

func (p *protection) opened(typ byte, payload, into []byte) ([]byte, bool) {
	switch {
	case p.stream != nil:
		if into == nil {
			into = payload
		}
		p.stream.XORKeyStream(into, payload)
		return p.openStream(typ, into[:len(payload)])
	case p.aead != nil:
		return p.openAEAD(typ, payload, into)
	case p.block != nil:
		size, skip := p.block.BlockSize(), p.explicitIV()
		if p.macLast {
			return p.openMACLast(typ, payload, into)
		}
		if len(payload)%size != 0 || len(payload) < skip+size {
			return nil, false
		}
		return p.openMACFirst(typ, payload, into)
	}
	return payload, true
}

// openMACFirst opens a record whose MAC is over what is to be encrypted.
func (p *protection) openMACFirst(typ byte, payload, into []byte) ([]byte, bool) {
	plain, sealed := p.afterIV(payload, into)
	o, ok := p.mac.opening(p.macHeader(typ, 0), plain)
	if !ok {
		return nil, false
	}
	if both, can := p.block.(*aescbc.Decrypter); can {
		both.CryptAndHash(plain, sealed, o.known()/aes.BlockSize*aes.BlockSize, o.begin)
		return o.end()
	}
	p.block.CryptBlocks(plain, sealed)
	h, known := o.begin()
	h.Write(plain[:known])
	return o.end()
}

// afterIV skips the initialization vector, which has no meaning, but is in the chain. It
// returns what comes after it, and where that is to be decrypted.
func (p *protection) afterIV(payload, into []byte) (plain, sealed []byte) {
	iv, sealed := payload[:p.explicitIV()], payload[p.explicitIV():]
	if d, can := p.block.(*aescbc.Decrypter); can {
		d.Skip(iv)
	} else {
		p.block.CryptBlocks(iv, iv)
	}
	if into == nil {
		return sealed, sealed
	}
	return into[:len(sealed)], sealed
}

func (p *protection) openStream(typ byte, plain []byte) ([]byte, bool) {
	n := len(plain) - p.mac.size
	if n < 0 {
		return nil, false
	}
	return plain[:n], p.mac.isRight(plain[n:], p.macHeader(typ, n), plain[:n])
}

// openMACLast opens a record whose MAC is over what is encrypted. Once the MAC is
// right, nobody but the client has made the rest of it, and no time can tell
// anything that the client does not know (RFC 7366 section 3).
func (p *protection) openMACLast(typ byte, payload, into []byte) ([]byte, bool) {
	size, n := p.block.BlockSize(), len(payload)-p.mac.size
	skip := p.explicitIV()
	if n < skip+size || n%size != 0 {
		return nil, false
	}
	if !p.mac.isRight(payload[n:], p.macHeader(typ, n), payload[:n]) {
		return nil, false
	}
	plain, sealed := p.afterIV(payload[:n], into)
	p.block.CryptBlocks(plain, sealed)
	padding, good := paddingLen(plain, 0)
	return plain[:len(plain)-padding], good == 1
}

func (p *protection) openAEAD(typ byte, payload, into []byte) ([]byte, bool) {
	n := len(payload) - p.explicit - tagLen
	if n < 0 {
		return nil, false
	}
	nonce, sealed := p.nonceOf(payload[:p.explicit]), payload[p.explicit:]
	if into == nil {
		into = sealed
	}
	data, err := p.aead.Open(into[:0], nonce, sealed, p.macHeader(typ, n)[:])
	return data, err == nil
}

// nonceOf is the nonce of a record (RFC 5288 section 3, RFC 7905 section 2). It
// is good until the next one.
func (p *protection) nonceOf(explicit []byte) []byte {
	p.nonce = p.iv
	if p.explicit > 0 {
		copy(p.nonce[gcmSaltLen:], explicit)
		return p.nonce[:]
	}
	var seq [8]byte
	binary.BigEndian.PutUint64(seq[:], p.seq)
	subtle.XORBytes(p.nonce[nonceLen-len(seq):], p.nonce[nonceLen-len(seq):], seq[:])
	return p.nonce[:]
}

// seal appends a whole record to out.
func (p *protection) seal(out []byte, typ byte, data []byte) ([]byte, error) {
	start := len(out)
	out = append(out, typ, byte(p.version>>8), byte(p.version), 0, 0) //nolint:gosec // its two bytes
	var err error
	switch {
	case p.stream != nil:
		body := len(out)
		out = p.mac.sum(append(out, data...), p.macHeader(typ, len(data)), data)
		p.stream.XORKeyStream(out[body:], out[body:])
	case p.aead != nil:
		out = p.sealAEAD(out, typ, data)
	case p.block != nil:
		out, err = p.sealCBC(out, typ, data)
	default:
		out = append(out, data...)
	}
	p.seq++
	binary.BigEndian.PutUint16(out[start+3:], uint16(len(out)-start-recordHeaderLen)) //nolint:gosec // at most the length of a record
	return out, err
}

func (p *protection) sealAEAD(out []byte, typ byte, data []byte) []byte {
	// The sequence number never repeats under one key, and needs no chance.
	var explicit [gcmExplicitLen]byte
	binary.BigEndian.PutUint64(explicit[:], p.seq)
	out = append(out, explicit[:p.explicit]...)
	return p.aead.Seal(out, p.nonceOf(explicit[:]), data, p.macHeader(typ, len(data))[:])
}

func (p *protection) sealCBC(out []byte, typ byte, data []byte) ([]byte, error) {
	body := len(out)
	out = append(out, make([]byte, p.explicitIV())...)
	if _, err := rand.Read(out[body:]); err != nil {
		return nil, err
	}
	encrypted := body // what comes before that is encrypted already
	both, can := p.block.(*aescbc.Encrypter)
	switch {
	case can && !p.macLast:
		p.block.CryptBlocks(out[body:], out[body:])
		out, encrypted = p.sealAndMAC(both, out, typ, data)
	case p.macLast:
		out = append(out, data...)
	default:
		out = p.mac.sum(append(out, data...), p.macHeader(typ, len(data)), data)
	}
	size := p.block.BlockSize()
	padding := size - 1 - (len(out)-body)%size
	for range padding + 1 {
		out = append(out, byte(padding)) //nolint:gosec // less than a block
	}
	if can && p.macLast {
		w := p.mac.begin(p.macHeader(typ, len(out)-body))
		defer w.release()
		both.CryptThenHash(out[body:], w.hash)
		return w.sum(out), nil
	}
	p.block.CryptBlocks(out[encrypted:], out[encrypted:])
	if p.macLast {
		out = p.mac.sum(out, p.macHeader(typ, len(out)-body), out[body:])
	}
	return out, nil
}

// sealAndMAC appends data, of which it encrypts the whole blocks while it computes the
// MAC, and the MAC. It returns where what is not encrypted begins.
func (p *protection) sealAndMAC(both *aescbc.Encrypter, out []byte, typ byte, data []byte) ([]byte, int) {
	start, whole := len(out), len(data)/aes.BlockSize*aes.BlockSize
	out = slices.Grow(out, whole)[:start+whole]
	w := p.mac.begin(p.macHeader(typ, len(data)))
	defer w.release()
	both.CryptAndHash(out[start:], data[:whole], w.hash, data)
	return w.sum(append(out, data[whole:]...)), start + whole
}
