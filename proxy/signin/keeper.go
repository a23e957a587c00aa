package signin

import (
	"crypto/rand"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A Keeper says who may use which mailbox, and when. It is safe for concurrent use.
type Keeper struct {
	key Secret // of what is remembered of passwords
	// hashes has an entry for each hash that is being computed, and newcomers one for
	// each that is computed for a client that has not signed in before or waits for it:
	// many of them do not hold up the others.
	hashes, newcomers chan struct{}
	now               atomic.Pointer[inForce]

	// The guards: of clients, of unknown logins, of clients that have signed in
	// before with a login, and of known logins.
	ofClients, ofUnknown, ofTrusted, ofLogins *guards

	mu     sync.Mutex        // held by Replace
	shares map[string]*share // by the mailbox's address in lower case
}

// inForce is a file that is in force, with what is known of it.
type inForce struct {
	cfg    *Config // nil if there is none
	right  *memory
	dummy  []hash            // one of each kind and cost in the file
	shares map[string]*share // of its mailboxes
}

// New returns a keeper. With a nil Config, sign-in is configured for nobody.
func New(cfg *Config) *Keeper {
	k := &Keeper{
		key:       NewSecret(rand.Text()),
		hashes:    make(chan struct{}, runtime.GOMAXPROCS(0)),
		newcomers: make(chan struct{}, runtime.GOMAXPROCS(0)),
		ofClients: newGuards(ofClient), ofTrusted: newGuards(ofClient),
		ofUnknown: newGuards(ofLogin), ofLogins: newGuards(ofLogin),
	}
	k.Replace(cfg)
	return k
}

// Replace puts another file into force. Of a mailbox that stays, sessions, queue and
// count of messages stay too, under its new limits; a session of one that is gone goes
// on under the old ones. Failures are not forgotten.
func (k *Keeper) Replace(cfg *Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := &inForce{cfg: cfg, right: newMemory(), shares: map[string]*share{}}
	for _, m := range f.mailboxes() {
		key := strings.ToLower(m.address)
		s := k.shares[key]
		if s == nil {
			s = &share{}
		}
		s.use(m)
		f.shares[key] = s
		f.addDummies(m)
	}
	k.shares = f.shares
	k.now.Store(f)
}

// addDummies adds hashes of nothing, so that there is one of each cost that the file
// has.
func (f *inForce) addDummies(m *mailbox) {
	for _, l := range m.logins {
		if l.hash.isZero() || slices.ContainsFunc(f.dummy, l.hash.sameCost) {
			continue
		}
		// It fails only for costs that parseHash refuses.
		if h, err := l.hash.likeness(); err == nil {
			f.dummy = append(f.dummy, h)
		}
	}
}

func (f *inForce) mailboxes() []*mailbox {
	if f.cfg == nil {
		return nil
	}
	return f.cfg.mailboxes
}

// A Mailbox is a mailbox that a client may use.
type Mailbox struct {
	Address   string
	User      string // who signs in for a delegated one; empty means Address
	Delegated bool
	HVE       bool   // High Volume Email
	Login     string // that matched; empty if the client needs none

	share *share
}

func (f *inForce) mailbox(m *mailbox, login string) *Mailbox {
	return &Mailbox{
		Address: m.address, User: m.user, Delegated: m.delegated, HVE: m.hve, Login: login, share: f.share(m),
	}
}

func (f *inForce) share(m *mailbox) *share { return f.shares[strings.ToLower(m.address)] }

// Covers reports whether sign-in is configured for a client. Pointed says that its
// settings name tlslift as its server.
func (k *Keeper) Covers(c Client, pointed bool) bool {
	f := k.now.Load()
	return f.mapped(c) != nil || f.someLogin(func(l *login) bool {
		return pointed && l.clients.isEmpty() || l.clients.match(c) > notNamed
	})
}

// ServesCRAM reports whether CRAM-MD5 is of use to a client: the passwords of all logins
// that name it are not hashed, or of all logins for everybody if none names it. Many
// clients try CRAM-MD5 first where they see it, and some nothing else after it, so that
// a login with a hash would not work for them.
func (k *Keeper) ServesCRAM(c Client) bool {
	f := k.now.Load()
	isNamed := f.someLogin(func(l *login) bool { return l.clients.match(c) > notNamed })
	isMeant := func(l *login) bool { return l.isFor(c) && l.clients.isEmpty() != isNamed }
	return f.someLogin(isMeant) && !f.someLogin(func(l *login) bool { return isMeant(l) && l.secret.IsZero() })
}

func (f *inForce) someLogin(is func(*login) bool) bool {
	for _, m := range f.mailboxes() {
		for _, l := range m.logins {
			if is(l) {
				return true
			}
		}
	}
	return false
}

// Mapped returns the mailbox that a client may use without a login; nil if there is
// none. If several name it, an address counts more than a name, and that more than a
// network, of which the smallest counts.
func (k *Keeper) Mapped(c Client) *Mailbox {
	f := k.now.Load()
	if m := f.mapped(c); m != nil {
		return f.mailbox(m, "")
	}
	return nil
}

func (f *inForce) mapped(c Client) *mailbox {
	var found *mailbox
	best := notNamed
	for _, m := range f.mailboxes() {
		if s := m.clients.match(c); s > best {
			found, best = m, s
		}
	}
	return found
}

// isFor reports whether a client may use the login.
func (l *login) isFor(c Client) bool { return l.clients.isEmpty() || l.clients.match(c) > notNamed }
