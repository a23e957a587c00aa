package webconfig

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlslift/tlslift/metrics/loadlimit"
)

const (
	broken = "the file of TLSLIFT_ADMIN_WEB_CONFIG_FILE cannot be used, so nobody is let in; " +
		"the log of tlslift says what is wrong with it"
	retryBroken = 30 * time.Second

	// maxKnown is how many right passwords are known without a comparison.
	maxKnown = 100
	// burst is how many wrong passwords a group may try at once, and refill the time after
	// which it may try another one.
	burst  = 10
	refill = 2 * time.Second
	// maxGroups bounds the groups whose tries are counted.
	maxGroups = 1024
	// maxWaiting is how many passwords wait to be compared, maxWaitingPerGroup those of one
	// group.
	maxWaiting, maxWaitingPerGroup = 64, 4
	compareWait                    = 10 * time.Second
)

// passwords compares passwords. A comparison takes a processor some 0.1 s, so there is one
// at a time, in the order in which they come; a password that was right is known from then
// on, and a group that was wrong too often has to wait. That keeps out the right password
// of no other group.
type passwords struct {
	key       [32]byte      // of known
	comparing chan struct{} // has an element while a password is compared
	waiting   *loadlimit.Share

	mu    sync.Mutex
	known map[[32]byte]bool
	tries map[netip.Prefix]tries
}

// tries are the wrong passwords of a group: how many there have been, less those that
// are forgiven by a time.
type tries struct {
	wrong float64
	at    time.Time
}

// now returns the tries that still count.
func (t tries) now(now time.Time) float64 {
	return max(0, t.wrong-float64(now.Sub(t.at))/float64(refill))
}

func newPasswords() *passwords {
	p := &passwords{
		comparing: make(chan struct{}, 1), waiting: loadlimit.NewShare(maxWaiting, maxWaitingPerGroup),
		known: map[[32]byte]bool{}, tries: map[netip.Prefix]tries{},
	}
	_, _ = rand.Read(p.key[:]) // it never fails
	return p
}

// let reports whether a request has the password of a user; it answers one that has not.
func (p *passwords) let(w http.ResponseWriter, r *http.Request, users map[string]string) bool {
	user, password, given := r.BasicAuth()
	if !given {
		askForPassword(w)
		return false
	}
	hash, exists := users[user]
	if !exists { // takes as long as the wrong password of a user
		hash = users[slices.Min(slices.Collect(maps.Keys(users)))]
	}
	attempt := p.attempt(user, hash, password)
	if exists && p.isKnown(attempt) {
		return true
	}
	group := loadlimit.GroupOf(r)
	if p.isLimited(group, time.Now()) {
		w.Header().Set("Retry-After", strconv.Itoa(int(refill.Seconds())))
		http.Error(w, "too many wrong passwords; wait a few seconds", http.StatusTooManyRequests)
		return false
	}
	matches, done := p.compare(r, group, func() bool {
		return p.isKnown(attempt) || bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	})
	switch {
	case !done:
		loadlimit.Refuse(w, r, "other passwords are being checked; try again in a few seconds", compareWait)
		return false
	case exists && matches:
		p.remember(attempt)
		return true
	}
	p.countWrong(group, time.Now())
	askForPassword(w)
	return false
}

func askForPassword(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Basic")
	http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
}

// attempt returns what stands for a password in memory. A new hash makes another one.
func (p *passwords) attempt(user, hash, password string) (sum [32]byte) {
	mac := hmac.New(sha256.New, p.key[:])
	for _, part := range []string{user, hash, password} {
		_ = binary.Write(mac, binary.BigEndian, uint64(len(part))) // a hash takes all
		_, _ = mac.Write([]byte(part))
	}
	mac.Sum(sum[:0])
	return sum
}

func (p *passwords) isKnown(attempt [32]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[attempt]
}

func (p *passwords) remember(attempt [32]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known) // each costs a comparison again
	}
	p.known[attempt] = true
}

// compare calls matches when it is its turn, and returns its result; done is false if the
// turn does not come.
func (p *passwords) compare(r *http.Request, group netip.Prefix, matches func() bool) (result, done bool) {
	if !p.waiting.Enter(group) {
		return false, false
	}
	defer p.waiting.Leave(group)
	timer := time.NewTimer(compareWait)
	defer timer.Stop()
	select {
	case p.comparing <- struct{}{}:
		defer func() { <-p.comparing }()
	case <-timer.C:
		return false, false
	case <-r.Context().Done():
		return false, false
	}
	return matches(), true
}

func (p *passwords) isLimited(group netip.Prefix, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tries[group].now(now) > burst-1
}

// countWrong counts a wrong password of a group. When there are too many groups, those
// that have had the fewest are forgotten.
func (p *passwords) countWrong(group netip.Prefix, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, counted := p.tries[group]; !counted && len(p.tries) >= maxGroups {
		maps.DeleteFunc(p.tries, func(_ netip.Prefix, t tries) bool { return t.now(now) <= 1 })
		if len(p.tries) >= maxGroups {
			return // the comparisons of all of them are one after the other
		}
	}
	p.tries[group] = tries{p.tries[group].now(now) + 1, now}
}
