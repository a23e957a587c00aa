package legacytls

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"slices"
)

// downgradeSentinel begins the last bytes of ServerHello.random where the server can
// speak a newer version than the one that is agreed on (RFC 8446 section 4.1.3).
const downgradeSentinel = "DOWNGRD"

// fillRandom makes the random value of ServerHello.
//
// A client gets no sentinel if it lists TLS 1.3, and names nothing that it could be
// served with, or if it says that it falls back, and is served all the same: it would end
// the connection, though nobody has cheated. Somebody on the way could make the
// hello of another client look like that. Then Finished alone tells of it, as with
// every TLS 1.2 server.
func (h *handshake) fillRandom() error {
	random := h.answer.random[:]
	if _, err := rand.Read(random); err != nil {
		return err
	}
	newest, version := h.config.maxVersion(), h.answer.version
	if h.config.ServesTLS13 {
		newest = tls.VersionTLS13
	}
	if version >= newest || newest < tls.VersionTLS12 ||
		slices.Contains(h.hello.versions, tls.VersionTLS13) || slices.Contains(h.hello.suites, fallbackSCSV) {
		return nil
	}
	last := byte(0)
	if version == tls.VersionTLS12 {
		last = 1
	}
	copy(random[randomLen-len(downgradeSentinel)-1:], append([]byte(downgradeSentinel), last))
	return nil
}

// sendHello prepares the ServerHello.
func (h *handshake) sendHello() error {
	if err := h.fillRandom(); err != nil {
		return err
	}
	h.answer.suite = h.suite.id
	if err := h.chooseSession(); err != nil {
		return err
	}
	h.sessionID = bytes.Clone(h.answer.sessionID)
	h.answer.extensions = h.extensions()
	message, err := h.answer.marshal()
	if err != nil {
		return err
	}
	h.send(message)
	if h.hello.fragment != 0 {
		h.fragment = maxFragments[h.hello.fragment]
		h.sends = min(h.sends, h.fragment)
	}
	return nil
}

// maxFragments are the lengths of RFC 6066 section 4, by their code.
var maxFragments = map[byte]int{1: 512, 2: 1024, 3: 2048, 4: 4096}

// chooseSession says by what the client may resume the session later: a ticket
// if it knows them, or else an ID.
func (h *handshake) chooseSession() error {
	if code := h.hello.fragment; h.hello.seen[extMaxFragmentLength] && maxFragments[code] == 0 {
		return fault(alertIllegalParameter, "the maximum fragment length has code %d", code)
	}
	switch {
	case h.resumed != nil:
		h.answer.sessionID = h.hello.sessionID
	case h.config.Sessions == nil:
	case h.hello.seen[extSessionTicket]:
		h.ticket = true
	default:
		h.answer.sessionID = make([]byte, maxSessionID)
		_, err := rand.Read(h.answer.sessionID)
		return err
	}
	return nil
}

// extensions answers those of the client that we know, and no others: a client
// that sent none gets none, unless it asked for one by a suite (RFC 5746
// section 3.6).
func (h *handshake) extensions() []extension {
	var all []extension
	seen := h.hello.seen
	if seen[extRenegotiationInfo] || slices.Contains(h.hello.suites, emptyRenegotiationSCSV) {
		all = append(all, extension{extRenegotiationInfo, []byte{0}})
	}
	if seen[extServerName] && h.hello.serverName != "" && h.resumed == nil {
		all = append(all, extension{extServerName, nil})
	}
	if h.hello.fragment != 0 {
		all = append(all, extension{extMaxFragmentLength, []byte{h.hello.fragment}})
	}
	if seen[extPoints] && h.suite.kx == kxECDHE {
		all = append(all, extension{extPoints, []byte{1, pointUncompressed}})
	}
	if h.macLast() {
		all = append(all, extension{extEncryptThenMAC, nil})
	}
	if h.extended {
		all = append(all, extension{extExtendedMaster, nil})
	}
	if h.ticket {
		all = append(all, extension{extSessionTicket, nil})
	}
	if p := h.config.Protocol; p != "" && slices.Contains(h.hello.protocols, p) {
		h.state.NegotiatedProtocol = p
		all = append(all, extension{extALPN, alpn(p)})
	}
	return all
}

// alpn is the list of one protocol (RFC 7301 section 3.1).
func alpn(p string) []byte {
	list := append([]byte{byte(len(p))}, p...)         //nolint:gosec // RFC 7301 section 3.1: at most 255
	return append([]byte{0, byte(len(list))}, list...) //nolint:gosec // one name and its length
}
