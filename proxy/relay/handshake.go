package relay

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Handshake is a TLS handshake that is passed: a Relay carries the rest of it under
// its deadline, and what comes after it without. Of what it carries it looks at the
// headers of records and handshake messages only.
type Handshake struct {
	// ToClient and ToUpstream are what was read of each side already. What is before
	// ToUpstream has been sent.
	ToClient, ToUpstream []byte
	// Deadline is when the destination must have answered.
	Deadline time.Time
	// Timeout is how long it may take for its next answer, once the client has said all
	// that it waits for; zero leaves Deadline as it is.
	Timeout time.Duration
	// AnotherHello is called with the body of each ClientHello that the client sends after
	// its first, as after a HelloRetryRequest, before the destination has the end of it. An
	// error ends both sides. Nil looks at none.
	AnotherHello func(body []byte) error
	// ClientTimeout is how long the client may take for its part, once it has all of the
	// answer: it may wait for a person, who types the PIN of a certificate. Zero leaves
	// Deadline as it is.
	ClientTimeout time.Duration

	// Guarded by the idleWatch's mu.
	seen [2]records // by side
	last Side       // who has sent the last bytes
}

// readHandshake takes in bytes of one side before the other has them, and reports whether
// the handshake goes on after them. A time limit begins where they change who has to go on.
// The error is a *record.Failure.
func (r *Relay) readHandshake(from Side, chunk []byte) (more bool, err error) {
	r.idle.mu.Lock()
	defer r.idle.mu.Unlock()
	h := r.Handshake
	if h == nil { // the other direction has seen its end
		return false, nil
	}
	h.last = from
	waited := h.isClientsTurn()
	client, upstream := &h.seen[Client], &h.seen[Upstream]
	client.isClient, client.inClear = true, !upstream.answered
	h.seen[from].read(chunk)
	if err := h.lookAtHellos(); err != nil {
		return false, err
	}
	if client.finished && upstream.finished || client.data && (upstream.data || upstream.finished) {
		r.Handshake = nil // it has been, with all that was held of it
		r.idle.beginIdle()
		return false, nil
	}
	allowed := h.Timeout
	switch waits := h.isClientsTurn(); {
	case waits && (!waited || from == Upstream):
		allowed = h.ClientTimeout
	case waits == waited:
		return true, nil
	}
	if allowed > 0 {
		h.Deadline = time.Now().Add(allowed)
		r.idle.timer.Reset(allowed)
	}
	return true, nil
}

// lookAtHellos looks at further hellos of the client. The error is a *record.Failure.
func (h *Handshake) lookAtHellos() error {
	client := &h.seen[Client]
	for _, body := range client.hellos {
		if h.AnotherHello == nil {
			break
		}
		if err := h.AnotherHello(body); err != nil {
			return record.Fail(record.ReasonHelloMalformed, err)
		}
	}
	client.hellos = nil
	return nil
}

// isClientsTurn reports whether the destination has said all that it can before the
// client has done its part. At TLS 1.2 the end of its answer is in clear. At TLS 1.3 it
// is not: there the answer counts as complete with each record that is protected.
func (h *Handshake) isClientsTurn() bool {
	client, upstream := &h.seen[Client], &h.seen[Upstream]
	return (upstream.helloDone || upstream.finished || upstream.data) && !upstream.isInside() && !client.finished && !client.data
}

// stalled returns the failure of a handshake that was not done in time: one side does not
// read what the other has sent, is in the middle of a record, or owes the answer to the last
// one.
func (h *Handshake) stalled(ended, stuck [2]bool) error {
	err := errors.New("a handshake that is passed was not finished in time")
	switch {
	case stuck[Client]:
		return record.Fail(record.ReasonClientHandshakeTimeout, fmt.Errorf("%w: the client does not read what the destination has sent", err))
	case stuck[Upstream]:
		return record.Fail(record.ReasonUpstreamTimeout, fmt.Errorf("%w: the destination does not read what the client has sent", err))
	}
	upstreamOwes := ended[Client] || h.seen[Upstream].isInside() || h.last == Client && !h.seen[Client].isInside()
	if upstreamOwes && !ended[Upstream] && !h.isClientsTurn() {
		return record.Fail(record.ReasonUpstreamTimeout, err)
	}
	return record.Fail(record.ReasonClientHandshakeTimeout, err)
}

// Types of TLS records (RFC 8446 section 5.1).
const (
	recordHeaderLen        = 5
	recordChangeCipherSpec = 20
	recordHandshake        = 22
	recordData             = 23
)

// The header of a handshake message, and types of messages (RFC 8446 section 4, RFC 5246
// section 7.4). A ServerHelloDone ends the answer of a server at TLS 1.2.
const (
	messageHeaderLen       = 4
	messageClientHello     = 1
	messageServerHello     = 2
	messageServerHelloDone = 14
)

// maxHello bounds what is held of a hello. A client's first one has at most 64 KiB.
const maxHello = 64 << 10

// retryRequest is the random value by which a ServerHello is a HelloRetryRequest (RFC 8446
// section 4.1.3). It follows two bytes of a version.
var retryRequest = sha256.Sum256([]byte("HelloRetryRequest"))

// maxFinished is the longest record of a protected Finished of TLS 1.2: an IV, 16
// bytes, a MAC and padding. A hello in its place, as after a HelloRetryRequest of TLS
// 1.3, is longer.
const maxFinished = 16 + 16 + 48 + 16

// records follows the records of one side by their headers.
type records struct {
	header [recordHeaderLen]byte
	have   int // bytes of the header
	rest   int // bytes of the record that are still to come

	message     [messageHeaderLen]byte
	haveMessage int    // bytes of the message's header
	restMessage int    // bytes of the message that are still to come
	body        []byte // of a message that is looked at

	isClient bool
	inClear  bool     // messages are in clear also after a ChangeCipherSpec
	hellos   [][]byte // bodies of those that the client has sent
	answered bool     // a ServerHello has come that is no HelloRetryRequest

	helloDone bool // a ServerHelloDone of TLS 1.2 has come
	changed   bool // a ChangeCipherSpec has come
	finished  bool // and a Finished of TLS 1.2 after it
	data      bool // a record of data, or of anything that is protected in TLS 1.3
}

// read takes in bytes.
func (s *records) read(p []byte) {
	for len(p) > 0 {
		if s.have < recordHeaderLen {
			n := copy(s.header[s.have:], p)
			s.have, p = s.have+n, p[n:]
			s.rest = int(binary.BigEndian.Uint16(s.header[3:]))
		}
		if s.have == recordHeaderLen {
			n := min(s.rest, len(p))
			if s.header[0] == recordHandshake && (!s.changed || s.inClear) {
				s.readMessages(p[:n])
			}
			s.rest, p = s.rest-n, p[n:]
			if s.rest == 0 {
				s.end()
			}
		}
	}
}

// readMessages takes in handshake messages in clear, which may begin and end anywhere in
// records.
func (s *records) readMessages(p []byte) {
	for len(p) > 0 {
		if s.haveMessage < messageHeaderLen {
			n := copy(s.message[s.haveMessage:], p)
			s.haveMessage, p = s.haveMessage+n, p[n:]
			s.restMessage = int(binary.BigEndian.Uint32(s.message[:]) & 0xffffff)
		}
		n := min(s.restMessage, len(p))
		if s.message[0] == messageClientHello && s.isClient || s.message[0] == messageServerHello && !s.isClient {
			s.body = append(s.body, p[:min(n, maxHello-len(s.body))]...)
		}
		s.restMessage, p = s.restMessage-n, p[n:]
		if s.haveMessage == messageHeaderLen && s.restMessage == 0 {
			s.endMessage()
		}
	}
}

// endMessage is the end of a handshake message.
func (s *records) endMessage() {
	switch s.message[0] {
	case messageClientHello:
		if s.isClient {
			s.hellos = append(s.hellos, s.body)
		}
	case messageServerHello:
		const version = 2
		s.answered = s.answered || !bytes.HasPrefix(s.body[min(len(s.body), version):], retryRequest[:])
	case messageServerHelloDone:
		s.helloDone = true
	}
	s.haveMessage, s.body = 0, nil
}

// end is the end of a record.
func (s *records) end() {
	s.have = 0
	switch s.header[0] {
	case recordChangeCipherSpec:
		s.changed = true
	case recordHandshake:
		s.finished = s.finished || s.changed && binary.BigEndian.Uint16(s.header[3:]) <= maxFinished
	case recordData:
		s.data = true
	}
}

// isInside reports whether a record has begun and not ended.
func (s *records) isInside() bool { return s.have > 0 }
