package proxy_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
)

// wantTokens wants Entra to have been asked for so many tokens.
func (w *signInWorld) wantTokens(requests, renewals int) {
	w.t.Helper()
	if got, renewed := w.entra.Counts().Token, int(w.tokens.renews.Load()); got != requests || renewed != renewals {
		w.t.Errorf("%d token requests and %d renewals, want %d and %d", got, renewed, requests, renewals)
	}
}

// sends has the copier send a mail, and notice nothing.
func (w *signInWorld) sends() {
	w.t.Helper()
	d := w.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword), "235 ")
	d.wantSent(scanner)
	d.quit()
	w.wantSignedIn("copier1", 1)
}

// later lets time pass for tlslift and for Entra.
func (c *cloud) later(d time.Duration) { c.ahead.Add(int64(d)) }

// A device notices nothing of a token's end, however it ends.
func TestSignInTokenEnds(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	w.sends()
	w.sends()
	w.wantTokens(1, 0)
	w.later(2 * time.Hour) // it has expired
	w.sends()
	w.wantTokens(2, 0)
	w.entra.Revoke(w.tokens.last.Load().Value) // the destination refuses it in the middle of a day
	w.sends()
	w.wantTokens(3, 1)
	w.sends()
	w.wantTokens(3, 1)
}

// A mailbox that the application may not use is refused in the destination's words. It is
// not the token's fault, so that it is renewed once and not each time.
func TestSignInMailboxRefused(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), `
  - address: foreign@contoso.com
    logins: [{name: copier1, password: HASH}]
`, "")
	for range 3 {
		d := w.device(copier, viaSMTP)
		d.want(plain("copier1", devicePassword), "535 5.7.3 Authentication unsuccessful")
		d.quit()
		rec := w.expect(record.OutcomeFailed, record.ReasonMailboxRefused)
		if rec.Mailbox != "foreign@contoso.com" || rec.Login != "copier1" || rec.SignedIn() {
			t.Errorf("the record does not name who cannot sign in: %+v", rec)
		}
	}
	if n := w.entra.Counts().Token; n != 2 {
		t.Errorf("%d token requests, want the first and one more", n)
	}
}

// However many sessions need a new token at the same time, it is asked for once.
func TestSignInRefreshRace(t *testing.T) {
	t.Parallel()
	const sessions = 25 // Entra has to answer before its time is over, also on a slow machine
	w := newSignInWorld(t, newCloud(t), strings.Replace(mailboxesOfAll, "    senders", "    sessions: 25\n    senders", 1), "")
	d := w.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword), "235 ")
	d.quit()
	w.wantSignedIn("copier1", 0)
	w.later(2 * time.Hour)
	hold := make(chan struct{})
	w.entra.SetTrouble(fakeentra.Trouble{Hold: hold})
	devices := make([]*device, sessions)
	for i := range devices {
		devices[i] = w.device(copier, viaSMTP)
	}
	var all sync.WaitGroup
	for _, d := range devices {
		all.Go(func() {
			if got, err := d.ask(plain("copier1", devicePassword)); err != nil || !strings.HasPrefix(got, "235 ") {
				t.Errorf("answered %q, %v", got, err)
			}
		})
	}
	w.until(func() bool { return w.tokens.asked.Load() == 1+sessions })
	close(hold)
	all.Wait()
	w.wantTokens(2, 0)
	for _, d := range devices {
		d.quit()
		w.wantSignedIn("copier1", 0)
	}
}

// until waits for something.
func (w *signInWorld) until(is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("it did not come to that")
		}
	}
}

// While Entra is down the kept token serves. When it has ended, devices are told to come
// back, and once Entra works again they are served without anything being done.
func TestSignInEntraDown(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	w.sends()
	for _, trouble := range []fakeentra.Trouble{{Reset: true}, {Status: 503, Body: "Service Unavailable"}} {
		w.entra.SetTrouble(trouble)
		for range 5 {
			w.later(11 * time.Minute)
			w.sends()
		}
		w.later(10 * time.Minute)
		for range 2 {
			d := w.device(copier, viaSMTP)
			d.want(plain("copier1", devicePassword), "454 4.7.0 ")
			d.quit()
			rec := w.expect(record.OutcomeFailed, record.ReasonEntraUnreachable)
			if rec.Mailbox != scanner || rec.Login != "copier1" {
				t.Errorf("mailbox %q, login %q", rec.Mailbox, rec.Login)
			}
		}
		w.entra.SetTrouble(fakeentra.Trouble{})
		w.later(2 * time.Minute)
		w.sends()
	}
}

// A client that needs no login hears of the trouble when it begins its mail.
func TestSignInEntraDownWithoutLogin(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	w.entra.SetTrouble(fakeentra.Trouble{Reset: true})
	d := w.device(mappedC, viaSMTP)
	d.want("MAIL FROM:<"+scanner+">", "454 4.7.0 ")
	d.quit()
	w.expect(record.OutcomeFailed, record.ReasonEntraUnreachable)
	w.entra.SetTrouble(fakeentra.Trouble{})
	w.later(2 * time.Minute)
	d = w.device(mappedC, viaSMTP)
	d.wantSent(scanner)
	d.quit()
	w.wantSignedIn("", 1)
}

// A mailbox for which a person has signed in once works, also after a restart.
func TestSignInDelegated(t *testing.T) {
	t.Parallel()
	c, state := newCloud(t), t.TempDir()
	const mailboxes = `
  - address: ` + sharedMailbox + `
    delegated: true
    user: ` + person + `
    logins: [{name: copier1, password: HASH}]
`
	w := newSignInWorld(t, c, mailboxes, state)
	d := w.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword), "454 4.7.0 ")
	d.quit()
	w.expect(record.OutcomeFailed, record.ReasonDelegatedLoginMissing)

	id := entra.Identity{Mailbox: sharedMailbox, User: person, Delegated: true}
	approve := func(code entra.DeviceCode) {
		if err := c.entra.Approve(code.UserCode, person); err != nil {
			t.Error(err)
		}
	}
	if who, err := w.tokens.source.Login(t.Context(), id, approve); err != nil || who != person {
		t.Fatalf("%q signed in: %v", who, err)
	}
	for _, w := range []*signInWorld{w, newSignInWorld(t, c, mailboxes, state)} { // the second one has just started
		w.later(2 * time.Minute)
		d := w.device(copier, viaSMTP)
		d.want(plain("copier1", devicePassword), "235 ")
		d.wantSent(sharedMailbox)
		d.quit()
		if rec := w.expect(record.OutcomeLifted, ""); rec.Mailbox != sharedMailbox || rec.Accepted != 1 {
			t.Errorf("record %+v", rec)
		}
	}
	c.entra.RevokeLogins(person)
	w.later(2 * time.Hour)
	d = w.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword), "454 4.7.0 ")
	d.quit()
	w.expect(record.OutcomeFailed, record.ReasonDelegatedLoginMissing)
}
