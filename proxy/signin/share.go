package signin

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// maxShownSender bounds what a failure repeats of a sender.
const maxShownSender = 100

// A share is what the clients of one mailbox share: its sessions and messages.
type share struct {
	mu       sync.Mutex
	limits   *mailbox
	open     int   // sessions
	sessions lines // who waits for one
	mails    lines // who waits to send one
	// A message takes a token. They come back one by one with time.
	tokens float64
	filled time.Time // when tokens was counted
}

// use puts the limits of a mailbox into force.
func (s *share) use(m *mailbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.limits == nil {
		s.tokens, s.filled = float64(burst(m.perMinute)), now
	} else {
		s.fill(now) // with the rate until now
	}
	s.limits = m
	s.tokens = min(s.tokens, float64(burst(m.perMinute)))
	s.admit()
}

// admit serves those that wait for a session, as long as there is one. s.mu is held.
func (s *share) admit() {
	for s.open < s.limits.sessions && s.sessions.serve() {
		s.open++
	}
}

// burst returns how many messages may go at once.
func burst(perMinute int) int { return max(1, perMinute/10) }

// interval returns how long it takes until a token is back: a burst and what follows
// it are not more than perMinute messages in any minute.
func (s *share) interval() time.Duration {
	return time.Minute / time.Duration(s.limits.perMinute-burst(s.limits.perMinute)+1)
}

// fill counts the tokens that have come back. s.mu is held.
func (s *share) fill(now time.Time) {
	if passed := now.Sub(s.filled); passed > 0 {
		s.tokens = min(float64(burst(s.limits.perMinute)), s.tokens+float64(passed)/float64(s.interval()))
		s.filled = now
	}
}

// send serves those that wait to send, as long as there are tokens, and returns how
// long it takes until there is the next one. s.mu is held.
func (s *share) send(now time.Time) time.Duration {
	s.fill(now)
	// A token that lacks a nanosecond is whole.
	const whole = 1 - 1e-9
	for s.tokens >= whole && s.mails.serve() {
		s.tokens--
	}
	return max(time.Millisecond, time.Duration((1-s.tokens)*float64(s.interval())))
}

// A Session is one of the sessions that a mailbox may have at once.
type Session struct {
	share  *share
	client string
	name   string // of the client, for people
	once   sync.Once
}

// Enter waits for a session of m, which comes from Verify, VerifyCRAM or Mapped. It
// fails with a *record.Failure if that takes longer than the mailbox's wait, or else
// because ctx is done. The caller gives the session back with Leave.
func (k *Keeper) Enter(ctx context.Context, m *Mailbox, c Client) (*Session, error) {
	s := m.share
	client := c.Name + " " + c.group().String() + " " + m.Login
	name := cmp.Or(c.Name, c.Addr.Unmap().String())
	s.mu.Lock()
	w := s.sessions.push(client, name)
	s.admit()
	err := s.await(ctx, w, &s.sessions, func() time.Duration { return maxWait })
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return &Session{share: s, client: client, name: name}, nil
}

// await waits until w is served, for the mailbox's wait at most. It calls again after
// what next returns. s.mu is held, and not while it waits.
func (s *share) await(ctx context.Context, w *waiter, in *lines, next func() time.Duration) error {
	limit, address := s.limits.wait, s.limits.address
	over := time.NewTimer(limit)
	defer over.Stop()
	for {
		again := time.NewTimer(next())
		if w.served {
			again.Stop()
			return nil
		}
		s.mu.Unlock()
		var err error
		select {
		case <-w.ready:
		case <-again.C:
		case <-over.C:
			err = record.Fail(record.ReasonMailboxBusy, fmt.Errorf("mailbox %s, after %s", address, limit))
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		again.Stop()
		s.mu.Lock()
		// One that was served at the last moment has its turn all the same.
		if w.served {
			return nil
		}
		if err != nil {
			in.remove(w)
			return err
		}
	}
}

// Mail waits until a mail with an envelope sender may be sent. It fails with a
// *record.Failure if the mailbox may not send as that sender, or if it takes longer
// than the mailbox's wait; or else because ctx is done.
func (s *Session) Mail(ctx context.Context, sender string) error {
	of := s.share
	of.mu.Lock()
	defer of.mu.Unlock()
	if !of.limits.maySend(sender) {
		return record.Fail(record.ReasonSenderNotAllowed,
			fmt.Errorf("mailbox %s, sender %s", of.limits.address, netname.Text(sender, maxShownSender)))
	}
	w := of.mails.push(s.client, s.name)
	return of.await(ctx, w, &of.mails, func() time.Duration { return of.send(time.Now()) })
}

// Leave gives the session back. It may be called more than once.
func (s *Session) Leave() {
	s.once.Do(func() {
		s.share.mu.Lock()
		defer s.share.mu.Unlock()
		s.share.open--
		s.share.admit()
	})
}

// A Queue is how busy a mailbox is.
type Queue struct {
	Mailbox      string
	Sessions     int // that are open
	MaxSessions  int
	Waiting      int           // clients that wait for a session
	WaitingMails int           // sessions that wait to send a mail
	Oldest       time.Duration // how long the first of both has waited
}

// Queues returns how busy each mailbox is, in the order of the file.
func (k *Keeper) Queues() []Queue {
	f := k.now.Load()
	var all []Queue
	for _, m := range f.mailboxes() {
		all = append(all, f.share(m).queue())
	}
	return all
}

func (s *share) queue() Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := Queue{Mailbox: s.limits.address, Sessions: s.open, MaxSessions: s.limits.sessions}
	var sessions, mails time.Time
	q.Waiting, sessions = s.sessions.length()
	q.WaitingMails, mails = s.mails.length()
	for _, since := range []time.Time{sessions, mails} {
		if !since.IsZero() {
			q.Oldest = max(q.Oldest, time.Since(since))
		}
	}
	return q
}

// A Waiter is a client that waits at a mailbox.
type Waiter struct {
	Client string // its name, or else its address
	IsMail bool   // it has a session, and waits to send a mail in it
	Since  time.Duration
}

// Waiters returns who waits at each mailbox, by its address: at most max that wait for a
// session and as many that wait to send, each in the order in which they will be served.
// Mailboxes at which nobody waits are left out.
func (k *Keeper) Waiters(max int) map[string][]Waiter {
	f := k.now.Load()
	all := map[string][]Waiter{}
	for _, m := range f.mailboxes() {
		if waiting := f.share(m).waiters(max); len(waiting) > 0 {
			all[m.address] = waiting
		}
	}
	return all
}

func (s *share) waiters(max int) (all []Waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.sessions.first(max) {
		all = append(all, Waiter{Client: w.name, Since: time.Since(w.since)})
	}
	for _, w := range s.mails.first(max) {
		all = append(all, Waiter{Client: w.name, IsMail: true, Since: time.Since(w.since)})
	}
	return all
}
