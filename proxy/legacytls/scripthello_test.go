package legacytls

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"slices"
)

// A hello is a ClientHello that is put together byte by byte, with nothing of
// the package under test.
type hello struct {
	record       uint16      // version of its records; zero means TLS 1.0
	version      uint16      // zero means TLS 1.0
	session      []byte      // ID
	suites       []uint16    // nil means RSA with AES-128
	compressions []byte      // nil means null alone
	extensions   []extension // nil means that there is no block at all
	grain        int         // bytes in a record; zero means that one record has it all

	captured   []byte // a first flight as it was recorded; nothing else counts then
	challenge  int    // bytes of the challenge of a hello in SSLv2 format; zero means a TLS record
	ssl2Suites int    // that it offers beside
	ssl2ID     []byte // of a session of SSL 2.0
	longHeader bool   // its record header has three bytes, not two
}

// clientRandom is the random value of every hello.
var clientRandom = bytes.Repeat([]byte("random.."), randomLen/8)

func u16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// vec8, vec16 and vec24 put the length in front.
func vec8(b []byte) []byte  { return append([]byte{byte(len(b))}, b...) }
func vec16(b []byte) []byte { return append(u16(uint16(len(b))), b...) }
func vec24(b []byte) []byte {
	return append([]byte{byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}, b...)
}

func handshakeMessage(typ byte, body []byte) []byte { return append([]byte{typ}, vec24(body)...) }

// plainRecord is a record without protection.
func plainRecord(typ byte, version uint16, data []byte) []byte {
	return slices.Concat([]byte{typ}, u16(version), vec16(data))
}

func (h hello) theVersion() uint16 {
	if h.version == 0 {
		return tls.VersionTLS10
	}
	return h.version
}

func (h hello) recordVersion() uint16 {
	if h.record == 0 {
		return tls.VersionTLS10
	}
	return h.record
}

func (h hello) theSuites() []uint16 {
	if h.suites == nil {
		return []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	}
	return h.suites
}

// random is the client's random value as both sides compute with it.
func (h hello) random() []byte {
	switch b := h.captured; {
	case b != nil && b[0]&0x80 != 0:
		n := int(b[9])<<8 | int(b[10])
		return append(make([]byte, randomLen-n), b[len(b)-n:]...)
	case b != nil:
		return b[11 : 11+randomLen]
	case h.challenge == 0:
		return clientRandom
	}
	return append(make([]byte, randomLen-h.challenge), clientRandom[:h.challenge]...)
}

// body is that of the message.
func (h hello) body() []byte {
	compressions := h.compressions
	if compressions == nil {
		compressions = []byte{0}
	}
	b := slices.Concat(u16(h.theVersion()), clientRandom, vec8(h.session), vec16(u16(h.theSuites()...)), vec8(compressions))
	if h.extensions == nil {
		return b
	}
	var block []byte
	for _, e := range h.extensions {
		block = slices.Concat(block, u16(e.id), vec16(e.body))
	}
	return append(b, vec16(block)...)
}

// sslv2 is the hello in SSLv2 format without its record header.
func (h hello) sslv2() []byte {
	var specs []byte
	for i := range h.ssl2Suites {
		specs = append(specs, byte(i+1), 0, 0x80)
	}
	for _, s := range h.theSuites() {
		specs = append(specs, 0, byte(s>>8), byte(s))
	}
	lengths := u16(uint16(len(specs)), uint16(len(h.ssl2ID)), uint16(h.challenge))
	return slices.Concat([]byte{1}, u16(h.theVersion()), lengths, specs, h.ssl2ID, clientRandom[:h.challenge])
}

// transcript is what of the hello goes into the hash of the handshake.
func (h hello) transcript() []byte {
	if h.challenge > 0 {
		return h.sslv2()
	}
	return handshakeMessage(1, h.body())
}

// wire is the hello in its records.
func (h hello) wire() []byte {
	b := h.transcript()
	switch {
	case h.captured != nil:
		return h.captured
	case h.challenge > 0 && h.longHeader:
		return append([]byte{byte(len(b) >> 8), byte(len(b)), 0}, b...)
	case h.challenge > 0:
		return append([]byte{0x80 | byte(len(b)>>8), byte(len(b))}, b...)
	}
	return records(typeHandshake, h.recordVersion(), b, h.grain)
}

// records puts data into records without protection, grain bytes into each.
func records(typ byte, version uint16, data []byte, grain int) (all []byte) {
	if grain == 0 {
		return plainRecord(typ, version, data)
	}
	for part := range slices.Chunk(data, grain) {
		all = append(all, plainRecord(typ, version, part)...)
	}
	return all
}

func named(name string) extension {
	return extension{extServerName, vec16(append([]byte{0}, vec16([]byte(name))...))}
}

func groupsOf(ids ...tls.CurveID) extension {
	var list []byte
	for _, id := range ids {
		list = append(list, u16(uint16(id))...)
	}
	return extension{extGroups, vec16(list)}
}

func pointsOf(formats ...byte) extension { return extension{extPoints, vec8(formats)} }

func versionsOf(versions ...uint16) extension {
	return extension{extSupportedVersions, vec8(u16(versions...))}
}

func signaturesOf(schemes ...uint16) extension {
	return extension{extSignatures, vec16(u16(schemes...))}
}

// A parameter set names what the tests run at: every kind of protection, at
// the versions that differ.
type parameters struct {
	name           string
	version, suite uint16
}

var protections = []parameters{
	{"TLS 1.0 AES-CBC", tls.VersionTLS10, tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	{"TLS 1.0 3DES", tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
	{"TLS 1.0 RC4-MD5", tls.VersionTLS10, rsaRC4MD5},
	{"TLS 1.1 AES-CBC", tls.VersionTLS11, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
	{"TLS 1.2 AES-CBC-SHA256", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA256},
	{"TLS 1.2 AES-CBC-SHA384", tls.VersionTLS12, ecdheAES256SHA384},
	{"TLS 1.2 ChaCha20", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
	{"TLS 1.2 AES-GCM", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
}

func (p parameters) hello(extensions ...extension) hello {
	return hello{record: tls.VersionTLS10, version: p.version, suites: []uint16{p.suite}, extensions: extensions}
}
