package dialogue

import "time"

// A Gate is asked before each MAIL of an SMTP client reaches the destination.
type Gate struct {
	// Ask asks for a mail with its sender, which is SenderUnknown for all mails that
	// cannot be told. An error ends the client's side.
	Ask func(sender string) error
	// Refuse is called with that error once the client has the replies to all that it
	// has said before.
	Refuse func(error)
}

// settleTime bounds how long those replies may take (RFC 5321 section 4.5.3.2.6 gives
// the longest of them 10 minutes, but the client is to be refused).
const settleTime = 30 * time.Second

// A mail is one that a client has begun.
type mail struct {
	sender string
	at     int    // where its MAIL begins in what was read
	after  uint64 // how many commands the client has said before it
}

// Gate sets what is asked before each mail.
func (s *Session) Gate(g Gate) {
	if w, is := s.watcher.(*smtp); is {
		s.gate, w.keepsSenders = &g, true
		s.moved = make(chan struct{}, 1)
	}
}

// begun returns the mails that the client has begun since it was last called.
func (s *Session) begun() []mail {
	if s.gate == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watcher.(*smtp)
	mails := w.mails
	w.mails = nil
	return mails
}

// isSettled reports whether the client has the replies to all that it has said before a
// mail, or gets no more of them.
func (s *Session) isSettled(m mail) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watcher.(*smtp)
	isAnswered := uint64(len(w.pending.items)) <= w.said-m.after
	return s.end.first != 0 || !s.isWriting && (w.lost || isAnswered)
}

// move wakes up who waits for the session to settle.
func (s *Session) move() {
	if s.moved == nil {
		return
	}
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

// pass asks whether a mail may pass.
func (s *Session) pass(m mail) error {
	err := s.gate.Ask(m.sender)
	if err == nil {
		return nil
	}
	over := time.NewTimer(settleTime)
	defer over.Stop()
	for !s.isSettled(m) {
		select {
		case <-s.moved:
		case <-over.C:
			s.gate.Refuse(err)
			return err
		}
	}
	s.gate.Refuse(err)
	return err
}

// A heldBack is what was read of a client and may not pass yet.
type heldBack struct {
	bytes []byte
	mails []mail // in bytes
	err   error  // of the read
	over  error  // why nothing passes any more
}

// isEmpty reports whether it is time to read again.
func (h *heldBack) isEmpty() bool { return len(h.bytes) == 0 && len(h.mails) == 0 && h.err == nil }

// gated is Read for a client whose mails are asked for: what comes before a MAIL passes
// by itself, since its reply may be what the client needs.
func (c *clientConn) gated(p []byte) (int, error) {
	h := &c.held
	if h.over != nil {
		return 0, h.over
	}
	if h.isEmpty() {
		n, err := c.Conn.Read(p)
		c.session.Sent(p[:n])
		h.bytes, h.mails, h.err = append(h.bytes[:0], p[:n]...), c.session.begun(), err
	}
	for len(h.mails) > 0 && h.mails[0].at == 0 {
		if h.over = c.session.pass(h.mails[0]); h.over != nil {
			clear(h.bytes)
			return 0, h.over
		}
		h.mails = h.mails[1:]
	}
	end := len(h.bytes)
	if len(h.mails) > 0 {
		end = min(end, h.mails[0].at)
	}
	n := copy(p, h.bytes[:end])
	h.bytes = h.bytes[:copy(h.bytes, h.bytes[n:])]
	for i := range h.mails {
		h.mails[i].at -= n
	}
	if len(h.bytes) > 0 || len(h.mails) > 0 {
		return n, nil
	}
	err := h.err
	h.err = nil
	c.session.ended(client, err)
	return n, err
}
