package clienthello

import (
	"encoding/binary"
)

// The SSLv2-format hello (RFC 5246 appendix E.2), after its header:
//
//	type 1 | version 2 | specs' length 2 | session id's length 2 |
//	challenge's length 2 | specs, 3 each | session id | challenge
//
// The header is two bytes: a bit that is set, and the length in 15 bits. SSL
// 2.0 itself also has one of three bytes, which begins with a bit that is not
// set and may begin anything; see isLongSSLv2.
const (
	sslv2HeaderLen     = 2
	sslv2LongHeaderLen = 3
	sslv2FixedLen      = 9 // up to the specs
	sslv2TypeHello     = 1
	sslv2SpecLen       = 3
	sslv2SessionIDLen  = 16
	sslv2MinChallenge  = 16
	sslv2MaxChallenge  = 32
)

// peekSSLv2 looks at a stream whose first bit is set.
func peekSSLv2(r Reader) (*Hello, error) {
	header, err := peek(r, sslv2HeaderLen)
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(header) & 0x7fff)
	if size < sslv2FixedLen {
		return nil, &NotTLSError{Looks: LooksUnknown}
	}
	b, err := peek(r, sslv2HeaderLen+sslv2FixedLen)
	if err != nil {
		return nil, err
	}
	body := b[sslv2HeaderLen:]
	switch {
	case !beginsSSLv2(body):
		return nil, &NotTLSError{Looks: LooksUnknown}
	case !fillsSSLv2(body, size):
		// Known now, so the rest is not waited for.
		return nil, malformed("lengths that an SSLv2-format hello cannot have")
	}
	return peekSSLv2Body(r, sslv2HeaderLen, size)
}

// isLongSSLv2 reports an SSLv2-format hello with a three-byte header. RFC 5246
// forbids it, no server is known to answer it and no client to send it, so it
// is accepted only where it can be nothing else: without the escape bit,
// without padding, since nothing is encrypted yet, and with all lengths right.
func isLongSSLv2(early []byte) bool {
	if len(early) < sslv2LongHeaderLen+sslv2FixedLen {
		return false
	}
	header, body := early[:sslv2LongHeaderLen], early[sslv2LongHeaderLen:]
	return header[0]&0xc0 == 0 && header[2] == 0 &&
		beginsSSLv2(body) && fillsSSLv2(body, int(binary.BigEndian.Uint16(header)))
}

// beginsSSLv2 says whether a body has a hello's type and version.
func beginsSSLv2(body []byte) bool {
	return body[0] == sslv2TypeHello &&
		(body[1] == versionSSL30>>8 || binary.BigEndian.Uint16(body[1:]) == versionSSL20)
}

// fillsSSLv2 says whether the lengths in a body are possible and add up to its
// size. A session id is one of SSL 2.0; TLS wants none (RFC 5246 appendix
// E.2), but where it comes its 16 bytes harm nobody.
func fillsSSLv2(body []byte, size int) bool {
	f := fields{rest: body[3:]}
	specs, sessionID, challenge := int(f.uint16()), int(f.uint16()), int(f.uint16())
	return specs > 0 && specs%sslv2SpecLen == 0 &&
		(sessionID == 0 || sessionID == sslv2SessionIDLen) &&
		challenge >= sslv2MinChallenge && challenge <= sslv2MaxChallenge &&
		sslv2FixedLen+specs+sessionID+challenge == size
}

// peekSSLv2Body reads a hello whose lengths are right.
func peekSSLv2Body(r Reader, headerLen, size int) (*Hello, error) {
	end := headerLen + size
	if size > maxSSLv2 {
		return nil, ErrTooLarge
	}
	b, err := peek(r, end)
	if err != nil {
		return nil, err
	}
	f := fields{rest: b[headerLen+1:]}
	h := &Hello{Format: SSLv2, Length: end, Version: f.uint16(), size: size, key: keyOfSSLv2(b[headerLen:])}
	specsLen := int(f.uint16())
	specs := fields{rest: b[headerLen+sslv2FixedLen:][:specsLen]}
	for len(specs.rest) > 0 {
		kind, suite := specs.uint8(), specs.uint16()
		switch {
		case kind != 0:
			h.HasSSL2Ciphers = true
		case !isGREASE(suite):
			h.CipherSuites = append(h.CipherSuites, suite)
		}
	}
	return h, nil
}
