package legacytls

import (
	"container/list"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// sessionAge is how long a session may be resumed after its full handshake.
const sessionAge = 24 * time.Hour

// Sessions are those that clients may resume: by session ID, of which a bounded
// number is kept, and by ticket (RFC 5077), which the client keeps. It is safe
// for concurrent use.
type Sessions struct {
	secret []byte
	most   int

	mu   sync.Mutex
	byID map[string]*list.Element // of *session
	used *list.List               // the latest in front
}

// NewSessions keeps at most so many sessions for clients without tickets.
// Tickets are sealed with keys that follow from secret and the date, so that
// whoever has the same secret opens them, and a restart loses none. Today's key
// seals, and yesterday's still opens.
func NewSessions(secret []byte, most int) *Sessions {
	return &Sessions{secret: slices.Clone(secret), most: most, byID: map[string]*list.Element{}, used: list.New()}
}

// A session is what a resumption needs.
type session struct {
	id       string // empty for one in a ticket
	version  uint16
	suite    uint16
	extended bool // its master secret is extended (RFC 7627)
	created  time.Time
	binding  [sha256.Size]byte
	master   [masterLen]byte
}

// byIdentifier finds a session by its ID. It is a copy: keep may wipe the
// session at any time.
func (s *Sessions) byIdentifier(id []byte) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.byID[string(id)]
	if found == nil {
		return nil
	}
	s.used.MoveToFront(found)
	one := *found.Value.(*session)
	return &one
}

// keep keeps a session with an ID.
func (s *Sessions) keep(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.byID) >= s.most && s.used.Len() > 0 {
		s.remove(s.used.Back())
	}
	if s.most > 0 {
		s.byID[one.id] = s.used.PushFront(one)
	}
}

// forget drops a session, if it is there.
func (s *Sessions) forget(id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.byID[string(id)]; found != nil {
		s.remove(found)
	}
}

// remove drops a session and wipes it.
func (s *Sessions) remove(found *list.Element) {
	one := s.used.Remove(found).(*session)
	clear(one.master[:])
	delete(s.byID, one.id)
}

// Tickets begin with the name of their key.
const (
	ticketNameLen = 16
	ticketNonce   = 12
	day           = "2006-01-02"
)

// ticketKey is the key of a day.
func (s *Sessions) ticketKey(date time.Time) (name []byte, aead cipher.AEAD, err error) {
	key, err := hkdf.Key(sha256.New, s.secret, nil, "tlslift session ticket "+date.UTC().Format(day), ticketNameLen+32)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key[ticketNameLen:])
	if err != nil {
		return nil, nil, err
	}
	aead, err = cipher.NewGCM(block)
	return key[:ticketNameLen], aead, err
}

// seal makes a ticket of a session.
func (s *Sessions) seal(one *session, now time.Time) ([]byte, error) {
	name, aead, err := s.ticketKey(now)
	if err != nil {
		return nil, err
	}
	plain := binary.BigEndian.AppendUint16(nil, one.version)
	plain = binary.BigEndian.AppendUint16(plain, one.suite)
	plain = append(plain, map[bool]byte{true: 1}[one.extended])
	plain = binary.BigEndian.AppendUint64(plain, uint64(one.created.Unix())) //nolint:gosec // after 1970
	plain = append(append(plain, one.binding[:]...), one.master[:]...)
	defer clear(plain)
	ticket := append(name, make([]byte, ticketNonce)...)
	nonce := ticket[ticketNameLen:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return aead.Seal(ticket, nonce, plain, name), nil
}

// open is the session of a ticket; nil if it is none of ours, or too old.
func (s *Sessions) open(ticket []byte, now time.Time) *session {
	if len(ticket) < ticketNameLen+ticketNonce {
		return nil
	}
	now = now.UTC() // where each day has 24 hours
	for _, date := range []time.Time{now, now.AddDate(0, 0, -1)} {
		name, aead, err := s.ticketKey(date)
		if err != nil || string(name) != string(ticket[:ticketNameLen]) {
			continue
		}
		plain, err := aead.Open(nil, ticket[ticketNameLen:ticketNameLen+ticketNonce], ticket[ticketNameLen+ticketNonce:], name)
		if err != nil {
			return nil
		}
		defer clear(plain)
		return parseSession(plain)
	}
	return nil
}

func parseSession(plain []byte) *session {
	one, in := &session{}, cryptobyte.String(plain)
	var extended uint8
	var created uint64
	if !in.ReadUint16(&one.version) || !in.ReadUint16(&one.suite) || !in.ReadUint8(&extended) ||
		!in.ReadUint64(&created) || !in.CopyBytes(one.binding[:]) || !in.CopyBytes(one.master[:]) || !in.Empty() {
		return nil
	}
	one.extended, one.created = extended == 1, time.Unix(int64(created), 0)
	return one
}

// bindingOf is what the sessions of a client belong to: the binding, and the
// server name, which must be the same (RFC 6066 section 3).
func (c *Config) bindingOf(h *clientHello) [sha256.Size]byte {
	return sha256.Sum256([]byte(c.Binding + "\x00" + h.serverName))
}

// resumable finds the session that a client asks for, if it may be resumed:
// with the same version, a suite that is still offered by both sides, and for
// the same server.
func (c *Config) resumable(h *clientHello, version uint16) *session {
	if c.Sessions == nil {
		return nil
	}
	var one *session
	switch {
	case len(h.ticket) > 0:
		one = c.Sessions.open(h.ticket, c.now())
	case len(h.sessionID) > 0:
		one = c.Sessions.byIdentifier(h.sessionID)
	}
	if one == nil || one.version != version || one.binding != c.bindingOf(h) ||
		c.now().Sub(one.created).Abs() > sessionAge {
		return nil
	}
	s := suiteByID(one.suite)
	if s == nil || !c.Suites.allow(s.strength) || !slices.Contains(h.suites, s.id) ||
		s.tls12 && version < tls.VersionTLS12 {
		return nil
	}
	return one
}
