package legacytls

import (
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// Handshake messages (RFC 5246 section 7.4).
const (
	messageHeaderLen = 4

	msgClientHello       = 1
	msgServerHello       = 2
	msgNewSessionTicket  = 4
	msgCertificate       = 11
	msgServerKeyExchange = 12
	msgServerHelloDone   = 14
	msgClientKeyExchange = 16
	msgFinished          = 20
)

// Extensions.
const (
	extServerName        = 0      // RFC 6066 section 3
	extMaxFragmentLength = 1      // RFC 6066 section 4
	extGroups            = 10     // RFC 8422 section 5.1.1
	extPoints            = 11     // RFC 8422 section 5.1.2
	extSignatures        = 13     // RFC 5246 section 7.4.1.4.1
	extALPN              = 16     // RFC 7301
	extEncryptThenMAC    = 22     // RFC 7366
	extExtendedMaster    = 23     // RFC 7627
	extSessionTicket     = 35     // RFC 5077
	extSupportedVersions = 43     // RFC 8446 section 4.2.1
	extRenegotiationInfo = 0xff01 // RFC 5746
)

const (
	versionSSL30        = 0x0300
	randomLen           = 32
	maxSessionID        = 32
	pointUncompressed   = 0
	compressionNull     = 0
	nameTypeHost        = 0
	maxServerName       = 255
	minSSLv2Challenge   = 16
	maxSSLv2Challenge   = 32
	maxSSLv2Hello       = 4 << 10
	sslv2SpecLen        = 3
	sslv2SessionIDLen   = 16
	sslv2MsgClientHello = 1
)

// A clientHello is what a client offers.
type clientHello struct {
	sslv2        bool
	version      uint16
	random       [randomLen]byte
	sessionID    []byte
	suites       []uint16
	compressions []byte

	seen          map[uint16]bool // extensions
	serverName    string
	fragment      byte // code of max_fragment_length
	groups        []uint16
	points        []byte
	signatures    []uint16
	protocols     []string
	versions      []uint16
	ticket        []byte
	renegotiation []byte
}

// parseClientHello reads the body of a ClientHello message.
func parseClientHello(body []byte) (*clientHello, bool) {
	h := &clientHello{seen: map[uint16]bool{}}
	s := cryptobyte.String(body)
	var sessionID, suites, compressions cryptobyte.String
	if !s.ReadUint16(&h.version) || !s.CopyBytes(h.random[:]) ||
		!s.ReadUint8LengthPrefixed(&sessionID) || len(sessionID) > maxSessionID ||
		!s.ReadUint16LengthPrefixed(&suites) || !readUint16s(suites, &h.suites) || len(h.suites) == 0 ||
		!s.ReadUint8LengthPrefixed(&compressions) || len(compressions) == 0 {
		return nil, false
	}
	h.sessionID, h.compressions = sessionID, compressions
	if s.Empty() {
		return h, true
	}
	var extensions cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		return nil, false
	}
	return h, h.parseExtensions(extensions)
}

// newest returns the newest version that the client offers, up to most. Where it
// lists them, only those count (RFC 8446 section 4.2.1).
func (h *clientHello) newest(most uint16) uint16 {
	if !h.seen[extSupportedVersions] {
		return min(h.version, most)
	}
	var found uint16
	for _, v := range h.versions {
		if v <= most {
			found = max(found, v)
		}
	}
	return found
}

// parseExtensions refuses an extension that comes twice only if it is one that
// is read: of the others, both are without effect.
func (h *clientHello) parseExtensions(s cryptobyte.String) bool {
	for !s.Empty() {
		var id uint16
		var body cryptobyte.String
		if !s.ReadUint16(&id) || !s.ReadUint16LengthPrefixed(&body) ||
			h.seen[id] && slices.Contains(readExtensions, id) || !h.parseExtension(id, body) {
			return false
		}
		h.seen[id] = true
	}
	return true
}

// readExtensions are those that have an effect here.
var readExtensions = []uint16{
	extServerName, extMaxFragmentLength, extGroups, extPoints, extSignatures, extALPN, extEncryptThenMAC, extExtendedMaster,
	extSessionTicket, extSupportedVersions, extRenegotiationInfo,
}

// parseExtension is as lenient as OpenSSL: no point formats, content where none
// should be, and bytes after renegotiation_info are harmless.
func (h *clientHello) parseExtension(id uint16, s cryptobyte.String) bool {
	var list cryptobyte.String
	switch id {
	case extServerName:
		return h.parseServerName(s)
	case extMaxFragmentLength:
		return s.ReadUint8(&h.fragment) && s.Empty()
	case extGroups:
		return s.ReadUint16LengthPrefixed(&list) && s.Empty() && readUint16s(list, &h.groups) && len(h.groups) > 0
	case extPoints:
		if !s.ReadUint8LengthPrefixed(&list) || !s.Empty() {
			return false
		}
		h.points = list
	case extSignatures:
		if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() || len(list) == 0 {
			return false
		}
		readUint16s(list, &h.signatures) // half a one is let through: below TLS 1.2 none has an effect
	case extALPN:
		return s.ReadUint16LengthPrefixed(&list) && s.Empty() && h.parseProtocols(list)
	case extSessionTicket:
		h.ticket = s
	case extSupportedVersions:
		return s.ReadUint8LengthPrefixed(&list) && s.Empty() && readUint16s(list, &h.versions) && len(h.versions) > 0
	case extRenegotiationInfo:
		if !s.ReadUint8LengthPrefixed(&list) {
			return false
		}
		h.renegotiation = list
	}
	return true
}

// parseServerName takes an empty name or list, and the dot at the end of a
// name, as old devices send them: nothing depends on it here.
func (h *clientHello) parseServerName(s cryptobyte.String) bool {
	if s.Empty() {
		return true
	}
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return false
	}
	for names := 0; !list.Empty(); {
		var typ uint8
		var name cryptobyte.String
		if !list.ReadUint8(&typ) || !list.ReadUint16LengthPrefixed(&name) {
			return false
		}
		if typ != nameTypeHost {
			continue
		}
		if names++; names > 1 || len(name) > maxServerName || strings.Contains(string(name), "\x00") {
			return false
		}
		h.serverName = string(name)
	}
	return true
}

func (h *clientHello) parseProtocols(list cryptobyte.String) bool {
	for !list.Empty() {
		var name cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&name) || len(name) == 0 {
			return false
		}
		h.protocols = append(h.protocols, string(name))
	}
	return len(h.protocols) > 0
}

func readUint16s(s cryptobyte.String, out *[]uint16) bool {
	*out = make([]uint16, 0, len(s)/2)
	for !s.Empty() {
		var v uint16
		if !s.ReadUint16(&v) {
			return false
		}
		*out = append(*out, v)
	}
	return true
}

// parseSSLv2Hello reads a ClientHello in SSLv2 format, without its record
// header (RFC 5246 appendix E.2). It knows neither extensions nor compression.
func parseSSLv2Hello(body []byte) (*clientHello, bool) {
	h := &clientHello{sslv2: true, compressions: []byte{compressionNull}}
	s := cryptobyte.String(body)
	var typ uint8
	var specs, id, challenge uint16
	if !s.ReadUint8(&typ) || typ != sslv2MsgClientHello || !s.ReadUint16(&h.version) ||
		!s.ReadUint16(&specs) || !s.ReadUint16(&id) || !s.ReadUint16(&challenge) ||
		specs == 0 || specs%sslv2SpecLen != 0 || id != 0 && id != sslv2SessionIDLen ||
		challenge < minSSLv2Challenge || challenge > maxSSLv2Challenge {
		return nil, false
	}
	var list, random []byte
	// A session id is one of SSL 2.0 (RFC 2246 appendix E.1), which names no
	// session here.
	if !s.ReadBytes(&list, int(specs)) || !s.Skip(int(id)) || !s.ReadBytes(&random, int(challenge)) || !s.Empty() {
		return nil, false
	}
	// The challenge is the random value, filled up with zeros in front.
	copy(h.random[randomLen-len(random):], random)
	for spec := range slices.Chunk(list, sslv2SpecLen) {
		if spec[0] == 0 { // others are suites of SSL 2.0
			h.suites = append(h.suites, uint16(spec[1])<<8|uint16(spec[2]))
		}
	}
	return h, true
}

func messageSize(message []byte) int {
	return messageHeaderLen + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
}
