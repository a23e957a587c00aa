package dialogue

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/smtptext"
)

// A Gate is asked before each MAIL of an SMTP client reaches the destination. With it the
// client's commands pass one by one, each as a whole line, and what follows DATA passes
// when the destination has said whether it is content: two programs that disagree about
// what is a command would let a mail through for which nobody has asked.
type Gate struct {
	// Ask asks for a mail with its sender, which is smtptext.SenderUnknown if it cannot be told,
	// and for all mails of a dialogue that is not understood. More means that the client
	// has said more already. An error ends the client's side.
	Ask func(sender string, more bool) error
	// Refuse is called with that error once the client has the replies to all that it
	// has said before.
	Refuse func(error)
	// AuthAgain answers an AUTH, which does not pass, at the same time. An error ends
	// the client's side.
	AuthAgain func() error
}

// settleTime bounds how long those replies may take (RFC 5321 section 4.5.3.2.6 gives
// the longest of them 10 minutes, but the client is to be refused), and agreeTime how
// long the one to DATA may (section 4.5.3.2.4).
const (
	settleTime = 30 * time.Second
	agreeTime  = 2 * time.Minute
)

// A mail is one that a client has begun, or an AUTH.
type mail struct {
	sender string
	after  uint64 // how many commands the client has said before it
	isAuth bool
}

// Gate sets what is asked before each mail.
func (s *Session) Gate(g Gate) {
	if _, is := s.watcher.(*smtp); is {
		s.gate = &g
		s.moved = make(chan struct{}, 1)
	}
}

// begun takes in a piece of what the client has sent, and returns the mails that it
// begins. An AUTH goes no further.
func (s *Session) begun(piece []byte) (mails []mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watcher.(*smtp)
	said := w.said
	if !w.lost && w.chunk == 0 && !w.inBody { // a command comes next
		piece = bytes.TrimLeft(piece, " \t") // some servers do not mind blanks
		switch verb, args := smtptext.CutVerb(strings.TrimRight(string(piece), "\r\n")); {
		case verb == "AUTH":
			return []mail{{after: said, isAuth: true}}
		case !smtptext.IsClear(piece, verb, args):
			w.lost = true
		case verb == "MAIL":
			mails = append(mails, mail{sender: smtptext.ReversePath(args), after: said})
		}
	}
	s.sent(piece)
	if w.lost && !s.isLostTold {
		s.isLostTold = true
		mails = append(mails, mail{sender: smtptext.SenderUnknown, after: said})
	}
	return mails
}

// piece returns how many of the bytes that a client has sent are looked at together: a
// command, or as much as there is of the content, up to what may be its end for a server;
// 0 if more has to come first.
func (s *Session) piece(p []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watcher.(*smtp)
	end := bytes.IndexByte(p, '\n') + 1
	switch {
	case w.lost, end == 0 && len(p) > smtptext.MaxLine:
		return len(p)
	case w.chunk > 0:
		return int(min(int64(len(p)), w.chunk))
	case w.inBody:
		body := w.body
		return body.FindLoose(p)
	}
	return end
}

// isAgreed reports whether it is known what the client says next: the destination decides
// whether that is content or a command.
func (s *Session) isAgreed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end.first != 0 || !s.watcher.(*smtp).isUndecided()
}

// takeContent takes in what a client has sent, if it is content without an end.
func (s *Session) takeContent(p []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watcher.(*smtp)
	body := w.body
	if len(p) == 0 || s.end.first != 0 || w.lost || !w.inBody || w.isUndecided() || body.FindLoose(p) < len(p) || body.IsLoose() {
		return false
	}
	w.body, w.bodySeen = body, true
	return true
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

// lose gives up to understand the dialogue.
func (s *Session) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watcher.(*smtp).lost = true
}

// move wakes up who waits for the session to go on; without a Gate, nobody does.
func (s *Session) move() {
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

// await waits until the session is as it has to be, for a time at most, and reports that.
func (s *Session) await(is func() bool, limit time.Duration) bool {
	if is() {
		return true // nearly always
	}
	over := time.NewTimer(limit)
	defer over.Stop()
	for !is() {
		select {
		case <-s.moved:
		case <-over.C:
			return false
		}
	}
	return true
}

// settle waits until what is said to the client next comes in its turn.
func (s *Session) settle(m mail) {
	s.await(func() bool { return s.isSettled(m) }, settleTime)
}

// A heldBack is what was read of a client and has not passed yet.
type heldBack struct {
	bytes  []byte
	passes int   // how many of bytes may pass
	err    error // of the read
	over   error // why nothing passes any more
}

// gated is Read for a client whose mails are asked for: what comes before a MAIL passes
// by itself, since its reply may be what the client needs.
func (c *clientConn) gated(p []byte) (int, error) {
	h := &c.held
	for h.over == nil && h.passes == 0 {
		switch {
		case c.session.piece(h.bytes) > 0:
			h.over = c.look()
		case h.err != nil: // a command without its end does not pass
			err := h.err
			if h.err = nil; !errors.Is(err, os.ErrDeadlineExceeded) { // which is no end
				h.drop(len(h.bytes))
			}
			c.session.ended(client, err)
			return 0, err
		default:
			n, err := c.Conn.Read(p)
			if h.err = err; len(h.bytes) == 0 && c.session.takeContent(p[:n]) {
				return n, nil
			}
			h.bytes = append(h.bytes, p[:n]...)
		}
	}
	if h.over != nil {
		clear(h.bytes)
		return 0, h.over
	}
	n := copy(p, h.bytes[:h.passes])
	h.drop(n)
	h.passes -= n
	return n, nil
}

// drop takes bytes away from the front.
func (h *heldBack) drop(n int) {
	clear(h.bytes[:n])
	if h.bytes = h.bytes[n:]; len(h.bytes) == 0 {
		h.bytes = nil
	}
}

// look looks at the next piece of what the client has sent, and lets it pass if it may. The
// error is why nothing passes any more.
func (c *clientConn) look() error {
	s, h := c.session, &c.held
	if !s.await(s.isAgreed, agreeTime) {
		s.lose()
	}
	piece := s.piece(h.bytes)
	if piece == 0 { // it is no content, but a command that is not whole
		return nil
	}
	for _, m := range s.begun(h.bytes[:piece]) {
		if m.isAuth {
			s.settle(m)
			h.drop(piece)
			return s.gate.AuthAgain()
		}
		if err := s.gate.Ask(m.sender, piece < len(h.bytes)); err != nil {
			s.settle(m)
			s.gate.Refuse(err)
			return err
		}
	}
	h.passes = piece
	return nil
}
