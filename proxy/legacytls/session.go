package legacytls

import (
	"container/list"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"net/netip"
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
//
// When there are too many, the client that has the most loses the one that it has used
// least lately. So a client that makes many and resumes none takes no other's.
type Sessions struct {
	tickets TicketKeys
	most    int

	mu       sync.Mutex
	byID     map[string]*list.Element    // of *session
	byClient map[netip.Prefix]*list.List // of *session; the latest in front, and none is empty
}

// TicketKeys seal tickets and open them. What else is sealed with the same keys
// begins with another kind than ticketKind.
type TicketKeys interface {
	Seal(plain []byte) (ticket []byte, err error)
	// Open returns nil for a ticket that it has not sealed, or whose key is gone.
	Open(ticket []byte) (plain []byte)
}

// ticketKind begins what is in a ticket.
const ticketKind = "legacytls"

// NewSessions keeps at most so many sessions for clients without tickets. Whoever has
// the same keys resumes the sessions of tickets.
func NewSessions(tickets TicketKeys, most int) *Sessions {
	return &Sessions{tickets: tickets, most: most, byID: map[string]*list.Element{}, byClient: map[netip.Prefix]*list.List{}}
}

// A session is what a resumption needs.
type session struct {
	id       string       // empty for one in a ticket
	client   netip.Prefix // Config.Client; invalid for one in a ticket
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
	one := *found.Value.(*session)
	s.byClient[one.client].MoveToFront(found)
	return &one
}

// keep keeps a session with an ID.
func (s *Sessions) keep(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.byID) >= s.most && len(s.byID) > 0 {
		s.remove(s.losing(one.client).Back())
	}
	if s.most == 0 {
		return
	}
	if s.byClient[one.client] == nil {
		s.byClient[one.client] = list.New()
	}
	s.byID[one.id] = s.byClient[one.client].PushFront(one)
}

// mostLooks is among how many clients the one with the most sessions is looked for. A client
// has more than its share only if it has made sessions while there were few clients: that one
// is found sooner or later, as more of them come.
const mostLooks = 64

// losing returns the sessions of which one has to go, for a new one of a client: its own if
// it has its share, or else those of the client with the most among some.
func (s *Sessions) losing(client netip.Prefix) *list.List {
	own := s.byClient[client]
	if own != nil && own.Len() >= s.most/len(s.byClient) {
		return own
	}
	looks := 0
	for _, all := range s.byClient { // in another order each time
		if own == nil || all.Len() > own.Len() {
			own = all
		}
		if looks++; looks == mostLooks {
			break
		}
	}
	return own
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
	one := found.Value.(*session)
	all := s.byClient[one.client]
	all.Remove(found)
	if all.Len() == 0 {
		delete(s.byClient, one.client)
	}
	clear(one.master[:])
	delete(s.byID, one.id)
}

// seal makes a ticket of a session.
func (s *Sessions) seal(one *session) ([]byte, error) {
	plain := binary.BigEndian.AppendUint16([]byte(ticketKind), one.version)
	plain = binary.BigEndian.AppendUint16(plain, one.suite)
	plain = append(plain, map[bool]byte{true: 1}[one.extended])
	plain = binary.BigEndian.AppendUint64(plain, uint64(one.created.Unix())) //nolint:gosec // after 1970
	plain = append(append(plain, one.binding[:]...), one.master[:]...)
	defer clear(plain)
	return s.tickets.Seal(plain)
}

// open is the session of a ticket; nil if it is none of ours.
func (s *Sessions) open(ticket []byte) *session {
	plain := s.tickets.Open(ticket)
	defer clear(plain)
	return parseSession(plain)
}

func parseSession(plain []byte) *session {
	one, in := &session{}, cryptobyte.String(plain)
	var kind []byte
	var extended uint8
	var created uint64
	if !in.ReadBytes(&kind, len(ticketKind)) || string(kind) != ticketKind {
		return nil
	}
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
		one = c.Sessions.open(h.ticket)
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
