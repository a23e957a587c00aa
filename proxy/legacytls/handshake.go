package legacytls

import (
	"crypto/subtle"
	"crypto/tls"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// equal compares what must not be told apart by time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// A handshake is one under way.
type handshake struct {
	*Conn
	key   leafKey
	hello *clientHello
	offer Offer  // of hello
	raw   []byte // the hello as the transcript has it
	suite *suite
	prf   prf

	transcript transcript
	answer     serverHello
	resumed    *session
	extended   bool // RFC 7627
	ticket     bool // to be sent
	master     [masterLen]byte
	next       [2]*protection // of reading and of writing

	messages []byte // to be sent, not in a record yet
	flight   []byte // sealed records to be sent
}

// handshake does a full handshake or, where the client asks for a session that
// may be resumed, an abbreviated one (RFC 5246 section 7.3).
func (c *Conn) handshake() error {
	h := &handshake{Conn: c}
	var is bool
	if h.key, is = leafKeyOf(c.config.Certificate.PrivateKey); !is {
		return fault(alertInternalError, "the certificate's key is neither an RSA key nor an ECDSA key on P-256")
	}
	defer h.wipe()
	if err := h.readHello(); err != nil {
		return err
	}
	if err := h.negotiate(); err != nil {
		return err
	}
	if err := h.sendHello(); err != nil {
		return err
	}
	if h.resumed != nil {
		return h.abbreviated()
	}
	return h.full()
}

func (h *handshake) wipe() {
	clear(h.master[:])
	h.input.release()
}

// negotiate finds what both sides can do.
func (h *handshake) negotiate() error {
	hello, most := h.hello, h.config.maxVersion()
	version := hello.newest(most)
	if version >= versionSSL30 { // an alert, too, has to be one that the client understands
		h.out.version = version
	}
	switch {
	case version < tls.VersionTLS10:
		return fault(alertProtocolVersion, "the client offers no version that is served; it names %04x", hello.version)
	case slices.Contains(hello.suites, fallbackSCSV) && version < most:
		return fault(alertInappropriateFallback, "the client says that it can speak a newer version (RFC 7507)")
	case !slices.Contains(hello.compressions, compressionNull):
		return fault(alertIllegalParameter, "the client insists on compression")
	case len(hello.renegotiation) > 0:
		return fault(alertHandshakeFailure, "the client wants to renegotiate what does not exist (RFC 5746)")
	}
	h.in.version = version
	h.answer.version = version
	if err := h.resume(version); err != nil {
		return err
	}
	h.offer = hello.offer(version)
	h.offer.Keys, h.offer.KeyBits = h.key.kind, h.key.bits
	if h.resumed == nil {
		if h.suite = h.offer.choose(h.config.Suites); h.suite == nil {
			return fault(alertHandshakeFailure, "no cipher suite in common, or no signature that our key can make")
		}
	}
	h.prf = prf{version, h.suite.prf12}
	h.transcript = newTranscript(h.prf)
	h.transcript.add(h.raw)
	h.raw = nil
	return nil
}

// resume finds the session that is to be resumed. One with an extended master
// secret must not go on without (RFC 7627 section 5.3), and one without is not
// worth going on with.
func (h *handshake) resume(version uint16) error {
	h.extended = h.hello.seen[extExtendedMaster]
	one := h.config.resumable(h.hello, version)
	if one == nil || !one.extended && h.extended {
		return nil
	}
	if one.extended && !h.extended {
		return fault(alertHandshakeFailure, "a session with an extended master secret is to be resumed without one")
	}
	h.resumed, h.suite, h.master = one, suiteByID(one.suite), one.master
	return nil
}

// full is the rest of a full handshake.
func (h *handshake) full() error {
	agreement, err := h.agreement()
	if err != nil {
		return err
	}
	if err := h.sendServerFlight(agreement); err != nil {
		return err
	}
	if err := h.readKeyExchange(agreement); err != nil {
		return err
	}
	if err := h.readFinished(); err != nil {
		return err
	}
	if err := h.sendTicket(); err != nil {
		return err
	}
	if err := h.sendFinished(); err != nil {
		return err
	}
	h.keepSession() // before the client has our Finished, and may come back
	if err := h.flush(); err != nil {
		return err
	}
	h.finish()
	return nil
}

// abbreviated is the rest of a handshake that resumes a session.
func (h *handshake) abbreviated() error {
	if err := h.deriveKeys(); err != nil {
		return err
	}
	if err := h.sendFinished(); err != nil {
		return err
	}
	if err := h.flush(); err != nil {
		return err
	}
	if err := h.readFinished(); err != nil {
		return err
	}
	h.finish()
	return nil
}

func (h *handshake) agreement() (keyAgreement, error) {
	switch h.suite.kx {
	case kxECDHE:
		return newECDHE(h.offer.curve())
	case kxDHE:
		return newDHE(h.config.DHBits)
	}
	return rsaAgreement{h.key.decrypter, h.hello.version, h.answer.version}, nil
}

// sendServerFlight sends everything from ServerHello to ServerHelloDone.
func (h *handshake) sendServerFlight(a keyAgreement) error {
	chain, err := certificateMessage(h.config.Certificate)
	if err != nil {
		return err
	}
	h.send(chain)
	if params := a.params(); params != nil {
		s, err := sign(h.key.signer, h.offer.signature(h.suite.ecdsa), h.hello.random[:], h.answer.random[:], params)
		if err != nil {
			return fault(alertInternalError, "signing the key exchange: %v", err)
		}
		exchange, err := serverKeyExchange(params, s)
		if err != nil {
			return err
		}
		h.send(exchange)
	}
	done, err := message(msgServerHelloDone, func(*cryptobyte.Builder) {})
	if err != nil {
		return err
	}
	h.send(done)
	return h.flush()
}

// readKeyExchange computes the master secret (RFC 5246 section 8.1) and the
// keys.
func (h *handshake) readKeyExchange(a keyAgreement) error {
	message, err := h.readMessage(msgClientKeyExchange)
	if err != nil {
		return err
	}
	premaster, err := a.premaster(message[messageHeaderLen:])
	if err != nil {
		return err
	}
	defer clear(premaster)
	h.transcript.add(message)
	if h.extended {
		h.prf.fill(h.master[:], premaster, labelExtendedMaster, h.transcript.sum())
	} else {
		h.prf.fill(h.master[:], premaster, labelMaster, h.hello.random[:], h.answer.random[:])
	}
	return h.deriveKeys()
}

// deriveKeys computes the keys of both directions (RFC 5246 section 6.3).
func (h *handshake) deriveKeys() error {
	s := h.suite
	block := make([]byte, 2*(s.macLen()+s.keyLen+s.ivLen))
	defer clear(block)
	h.prf.fill(block, h.master[:], labelKeys, h.answer.random[:], h.hello.random[:])
	rest := block
	next := func(n int) []byte {
		b := rest[:n]
		rest = rest[n:]
		return b
	}
	var client, server keys
	client.mac, server.mac = next(s.macLen()), next(s.macLen())
	client.key, server.key = next(s.keyLen), next(s.keyLen)
	client.iv, server.iv = next(s.ivLen), next(s.ivLen)
	var err error
	if h.next[0], err = newProtection(h.answer.version, s, client, true); err != nil {
		return err
	}
	if h.next[1], err = newProtection(h.answer.version, s, server, false); err != nil {
		return err
	}
	h.next[0].macLast, h.next[1].macLast = h.macLast(), h.macLast()
	return nil
}

// macLast reports whether the MAC is over what is encrypted: for CBC, if the client
// offers it in this hello, whatever a session that is resumed had.
func (h *handshake) macLast() bool { return h.hello.seen[extEncryptThenMAC] && h.suite.block != nil }

// readFinished reads ChangeCipherSpec, which must come between two messages,
// and the client's Finished.
func (h *handshake) readFinished() error {
	if err := h.readChangeCipherSpec(); err != nil {
		return err
	}
	h.in = h.next[0]
	want := h.transcript.finished(h.master[:], labelClientFinished)
	message, err := h.readMessage(msgFinished)
	if err != nil {
		return err
	}
	got := message[messageHeaderLen:]
	if len(got) != finishedLen {
		return fault(alertDecodeError, "a Finished of %d bytes", len(got))
	}
	if !equal(got, want) {
		return fault(alertDecryptError, "the client's Finished does not verify")
	}
	if len(h.message) > 0 { // or it would lie there until the next handshake record comes
		return fault(alertUnexpectedMessage, "%d bytes after Finished in its record", len(h.message))
	}
	h.message = nil
	h.transcript.add(message)
	return nil
}

// sendFinished prepares ChangeCipherSpec and our Finished.
func (h *handshake) sendFinished() error {
	if err := h.seal(); err != nil {
		return err
	}
	var err error
	if h.flight, err = h.out.seal(h.flight, typeChangeCipherSpec, []byte{1}); err != nil {
		return err
	}
	h.out = h.next[1]
	finished, err := message(msgFinished, func(b *cryptobyte.Builder) {
		b.AddBytes(h.transcript.finished(h.master[:], labelServerFinished))
	})
	if err == nil {
		h.send(finished)
	}
	return err
}

// sendTicket prepares the ticket for a client that knows them.
func (h *handshake) sendTicket() error {
	if !h.ticket {
		return nil
	}
	ticket, err := h.config.Sessions.seal(h.session())
	if err != nil {
		return err
	}
	message, err := newSessionTicket(uint32(sessionAge.Seconds()), ticket)
	if err == nil {
		h.send(message)
	}
	return err
}

func (h *handshake) session() *session {
	return &session{
		id: string(h.answer.sessionID), client: h.config.Client, version: h.answer.version, suite: h.suite.id, extended: h.extended,
		created: h.config.now(), binding: h.config.bindingOf(h.hello), master: h.master,
	}
}

// keepSession keeps the session of a client that knows no tickets.
func (h *handshake) keepSession() {
	if h.config.Sessions != nil && !h.ticket {
		h.config.Sessions.keep(h.session())
	}
}

// finish fills in what is known of the connection.
func (h *handshake) finish() {
	c := h.Conn
	c.split = c.config.SplitRecords && h.answer.version == tls.VersionTLS10 && h.suite.block != nil
	c.useless = 0
	c.state.Version, c.state.CipherSuite = h.answer.version, h.suite.id
	c.state.DidResume, c.state.ServerName = h.resumed != nil, h.hello.serverName
	c.state.SSLv2Hello, c.state.ExtendedMasterSecret = h.hello.sslv2, h.extended
}
