package signin

import (
	"context"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 is made of it
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A try is one login with one password.
type try struct {
	in     *inForce
	name   string // in lower case
	login  *login // nil if it is unknown, or not for this client
	detail error  // for the log; it does not repeat an unknown name, which may be a password
	// trusted is the key of the client's own guard for this login.
	trusted string
	// hasSignedIn says that it has that guard.
	hasSignedIn bool
	guards      []*guard
}

func (k *Keeper) newTry(c Client, name string) *try {
	// Spaces at the end come from devices that fill a field with them.
	name = strings.ToLower(strings.TrimRight(name, " "))
	name = name[:min(len(name), maxLogin+1)] // no login is so long
	t := &try{in: k.now.Load(), name: name, detail: errors.New("unknown login")}
	if t.in.cfg != nil {
		t.login = t.in.cfg.logins[name]
	}
	group := c.group().String()
	t.trusted = group + " " + name
	if l := t.login; l != nil && !l.isFor(c) {
		t.detail = fmt.Errorf("login %s is for other clients", l.name)
		t.login = nil
	}
	if l := t.login; l != nil {
		t.detail = fmt.Errorf("login %s", l.name)
		if own := k.ofTrusted.get(t.trusted, l.clients.match(c) == byAddress); own != nil {
			t.hasSignedIn, t.guards = true, []*guard{own}
			return t
		}
	}
	// What is no login may be a password in the wrong field, so that it is not kept.
	m := newMAC(k.key, "login", name)
	ofLogin := k.ofUnknown
	if t.in.cfg != nil && t.in.cfg.logins[name] != nil {
		ofLogin = k.ofLogins
	}
	// Always in this order: who has passed the second one waits for no other.
	t.guards = []*guard{k.ofClients.get(group, true), ofLogin.get(string(m[:]), true)}
	return t
}

// A check is how a password is checked.
type check struct {
	isRemembered func() bool
	isRight      func() (bool, error)
}

// Verify returns the mailbox of a login. It fails with a *record.Failure: the
// password is wrong, or there were too many wrong ones; or else because ctx is done.
func (k *Keeper) Verify(ctx context.Context, c Client, login, password string) (*Mailbox, error) {
	t := k.newTry(c, login)
	m := newMAC(k.key, t.name, password, t.login.identity())
	return k.run(ctx, t, check{
		isRemembered: func() bool { return t.in.right.has(m) },
		isRight: func() (bool, error) {
			right, err := k.isPassword(ctx, t, password)
			if right {
				t.in.right.add(m)
			}
			return right, err
		},
	})
}

// VerifyCRAM is Verify for a client that answers a challenge with CRAM-MD5 (RFC 2195):
// digest is what it says after its login, in hexadecimal.
func (k *Keeper) VerifyCRAM(ctx context.Context, c Client, login, challenge, digest string) (*Mailbox, error) {
	t := k.newTry(c, login)
	return k.run(ctx, t, check{
		isRemembered: func() bool { return false },
		isRight:      func() (bool, error) { return t.answers(challenge, digest), nil },
	})
}

// answers reports whether digest is the answer to challenge.
func (t *try) answers(challenge, digest string) bool {
	secret, known := rand.Text(), false
	if t.login != nil && !t.login.secret.IsZero() {
		secret, known = t.login.secret.Reveal(), true
	}
	h := hmac.New(md5.New, []byte(secret))
	h.Write([]byte(challenge))
	got, err := hex.DecodeString(strings.TrimSpace(digest))
	return hmac.Equal(h.Sum(nil), got) && err == nil && known
}

// identity returns what is different for each password of a login.
func (l *login) identity() string {
	switch {
	case l == nil:
		return ""
	case l.hash.isZero():
		return "secret " + l.secret.Reveal()
	}
	return "hash " + l.hash.identity()
}

// isPassword checks a password, when there is a core for it. It takes as long for one
// login as for another.
func (k *Keeper) isPassword(ctx context.Context, t *try, password string) (bool, error) {
	lines := []chan struct{}{k.newcomers, k.hashes}
	if t.hasSignedIn {
		lines = lines[1:]
	}
	for _, line := range lines {
		select {
		case line <- struct{}{}:
			defer func() { <-line }()
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	if t.login != nil && !t.login.hash.isZero() {
		return t.login.hash.matches(password), nil
	}
	if n := uint64(len(t.in.dummy)); n > 0 {
		// A login seems to have the same kind each time.
		m := newMAC(k.key, "dummy", t.name)
		t.in.dummy[binary.BigEndian.Uint64(m[:])%n].matches(password)
	}
	if t.login == nil {
		return false, nil
	}
	a, b := newMAC(k.key, password), newMAC(k.key, t.login.secret.Reveal())
	return hmac.Equal(a[:], b[:]), nil
}

// run lets a try pass its guards, and does it.
func (k *Keeper) run(ctx context.Context, t *try, c check) (*Mailbox, error) {
	turn := time.NewTimer(maxTurn)
	defer turn.Stop()
	for _, g := range t.guards {
		entered, err := g.enter(ctx, turn.C)
		if err != nil {
			return nil, err
		}
		if !entered {
			return nil, record.Fail(record.ReasonSigninTriesLimited, fmt.Errorf("%w: others are checked first", t.detail))
		}
		defer g.leave()
	}
	failures := 0
	for _, g := range t.guards {
		n := g.count(time.Now())
		if n >= g.limits.most {
			return nil, record.Fail(record.ReasonSigninTriesLimited, t.detail)
		}
		failures = max(failures, n)
	}
	// Who knows the password need not wait; whether it is right is not learned faster by
	// this, because each wrong one takes its turn.
	if t.login != nil && c.isRemembered() {
		return k.succeed(t), nil
	}
	if err := wait(ctx, delay(failures)); err != nil {
		return nil, err
	}
	right, err := c.isRight()
	switch {
	case err != nil:
		return nil, err
	case right:
		return k.succeed(t), nil
	}
	for _, g := range t.guards {
		g.fail(time.Now())
	}
	return nil, record.Fail(record.ReasonSigninPasswordWrong, t.detail)
}

// succeed makes the client one that has signed in with this login before.
func (k *Keeper) succeed(t *try) *Mailbox {
	k.ofTrusted.get(t.trusted, true)
	return t.in.mailbox(t.login.mailbox, t.login.name)
}

// wait waits for d. It fails only when ctx is done.
func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
