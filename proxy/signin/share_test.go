package signin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// busy is a file with a mailbox of two sessions and ten messages a minute.
func busy(t *testing.T, more string) *Config {
	return mustParse(t, head+"- address: a@contoso.com\n  clients: [10.0.0.0/8]\n"+more)
}

// mailboxOf returns the one mailbox of a file.
func mailboxOf(t *testing.T, k *Keeper) *Mailbox {
	t.Helper()
	m := k.Mapped(from("10.0.0.1"))
	if m == nil {
		t.Fatal("the client has no mailbox")
	}
	return m
}

func enter(t *testing.T, k *Keeper, addr string) *Session {
	t.Helper()
	s, err := k.Enter(t.Context(), mailboxOf(t, k), from(addr))
	if err != nil {
		t.Errorf("%s: %v", addr, err)
		return nil
	}
	return s
}

// Clients that wait for a session get it in turn, however many each of them wants.
func TestSessionsAreFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(busy(t, "  sessions: 1\n"))
		first := enter(t, k, "10.0.0.1")
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		for _, addr := range strings.Fields("10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.2 10.0.0.2 10.0.0.3") {
			all.Go(func() {
				s := enter(t, k, addr)
				mu.Lock()
				order = append(order, addr[len(addr)-1:])
				mu.Unlock()
				synctest.Wait()
				s.Leave()
				s.Leave() // is of no effect
			})
			synctest.Wait() // it stands in its line before the next one comes
		}
		if got, want := k.Queues(), []Queue{{Mailbox: "a@contoso.com", Sessions: 1, MaxSessions: 1, Waiting: 6}}; !slices.Equal(got, want) {
			t.Errorf("queues are %+v, want %+v", got, want)
		}
		var shown string
		for _, w := range k.Waiters(10)["a@contoso.com"] {
			shown += w.Client[len(w.Client)-1:]
		}
		if short := k.Waiters(4)["a@contoso.com"]; shown != "123121" || len(short) != 4 {
			t.Errorf("those who wait are shown as %s, or %+v", shown, short)
		}
		first.Leave()
		all.Wait()
		if got := k.Waiters(10); len(got) != 0 {
			t.Errorf("in the end %+v wait", got)
		}
		if got := strings.Join(order, ""); got != "123121" {
			t.Errorf("the order is %s", got)
		}
		if q := k.Queues()[0]; q != (Queue{Mailbox: "a@contoso.com", MaxSessions: 1}) {
			t.Errorf("in the end: %+v", q)
		}
	})
}

// A client that waits too long, or closes, gives up its place and nothing else.
func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(busy(t, "  sessions: 1\n  wait: 20s\n"))
		first := enter(t, k, "10.0.0.1")
		began := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := k.Enter(t.Context(), mailboxOf(t, k), from("10.0.0.2")); reasonOf(t, err) != record.ReasonMailboxBusy ||
				time.Since(began) != 20*time.Second {
				t.Errorf("got %v after %s", err, time.Since(began))
			}
		})
		all.Go(func() {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errors.New("closed"))
			defer cancel()
			if _, err := k.Enter(ctx, mailboxOf(t, k), from("10.0.0.2")); err == nil || err.Error() != "closed" {
				t.Errorf("got %v", err)
			}
		})
		time.Sleep(7 * time.Second)
		if q := k.Queues()[0]; q.Waiting != 1 || q.Oldest != 7*time.Second {
			t.Errorf("after one closed: %+v", q)
		}
		all.Wait()
		if q := k.Queues()[0]; q != (Queue{Mailbox: "a@contoso.com", Sessions: 1, MaxSessions: 1}) {
			t.Errorf("in the end: %+v", q)
		}
		first.Leave()
		enter(t, k, "10.0.0.2").Leave()
	})
}

// In no minute are there more messages than the mailbox may send, and nobody waits
// longer than necessary.
func TestMessagesPerMinute(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{1, 2, 9, 10, 30, 100} {
		synctest.Test(t, func(t *testing.T) {
			k := New(busy(t, fmt.Sprintf("  messages_per_minute: %d\n  wait: 10m\n", perMinute)))
			var mu sync.Mutex
			var sent []time.Time
			var all sync.WaitGroup
			for i := range 3 {
				s := enter(t, k, fmt.Sprintf("10.0.0.%d", i))
				all.Go(func() {
					defer s.Leave()
					for range perMinute {
						if err := s.Mail(t.Context(), "<a@contoso.com>"); err != nil {
							t.Error(err)
						}
						mu.Lock()
						sent = append(sent, time.Now())
						mu.Unlock()
					}
				})
			}
			all.Wait()
			slices.SortFunc(sent, time.Time.Compare)
			for i := perMinute; i < len(sent); i++ {
				// A timer counts nanoseconds.
				if d := sent[i].Sub(sent[i-perMinute]); d < time.Minute-time.Microsecond*time.Duration(perMinute) {
					t.Fatalf("%d a minute: %d within %s", perMinute, perMinute+1, d)
				}
			}
			if took := sent[len(sent)-1].Sub(sent[0]); took > 3*time.Minute+30*time.Second {
				t.Errorf("%d a minute: %d took %s", perMinute, len(sent), took)
			}
		})
	}
}

// The mails of one client do not hold up those of another.
func TestMailsAreFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(busy(t, "  messages_per_minute: 1\n  sessions: 4\n  wait: 10m\n"))
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		for _, addr := range strings.Fields("10.0.0.1 10.0.0.1 10.0.0.1 10.0.0.2") {
			s := enter(t, k, addr)
			all.Go(func() {
				if err := s.Mail(t.Context(), "x@contoso.com"); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, addr[len(addr)-1:])
			})
			synctest.Wait()
		}
		time.Sleep(30 * time.Second)
		if q := k.Queues()[0]; q.WaitingMails != 3 || q.Oldest != 30*time.Second || q.Sessions != 4 {
			t.Errorf("%+v", q)
		}
		all.Wait()
		if got := strings.Join(order, ""); got != "1121" {
			t.Errorf("the order is %s", got)
		}
	})
}

func TestMailWaitIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(busy(t, "  messages_per_minute: 1\n  wait: 20s\n"))
		s := enter(t, k, "10.0.0.1")
		began := time.Now()
		if err := s.Mail(t.Context(), ""); err != nil {
			t.Error(err)
		}
		if err := s.Mail(t.Context(), ""); reasonOf(t, err) != record.ReasonMailboxBusy || time.Since(began) != 20*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		time.Sleep(40 * time.Second)
		if err := s.Mail(t.Context(), ""); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestSenders(t *testing.T) {
	t.Parallel()
	k := New(busy(t, "  senders: [Scan@contoso.com, '*@Scan.contoso.com']\n  messages_per_minute: 1000\n"))
	s := enter(t, k, "10.0.0.1")
	for sender, allowed := range map[string]bool{
		"scan@contoso.com": true, "<SCAN@Contoso.com>": true, "fax@scan.contoso.com": true, "<Fax@SCAN.contoso.com>": true,
		"": false, "<>": false, "other@contoso.com": false, "@scan.contoso.com": false, "fax@x.scan.contoso.com": false,
		"fax@evil.example@scan.contoso.com": false, "scan@contoso.com.evil.example": false, "fax@xscan.contoso.com": false,
		`"fax@scan.contoso.com`: false, `fax\@scan.contoso.com`: false, "<a:b@scan.contoso.com>": false,
		"\u017fcan@conto\u017fo.com": false, "x@\u212a.example": false, "fax@\u017fcan.contoso.com": false,
	} {
		err := s.Mail(t.Context(), sender)
		if want := record.ReasonSenderNotAllowed; allowed != (err == nil) || !allowed && reasonOf(t, err) != want {
			t.Errorf("%q: %v", sender, err)
		}
	}
	err := s.Mail(t.Context(), strings.Repeat("x\r\n\x1b", 1000))
	if text := err.Error(); len(text) > 300 || strings.ContainsAny(text, "\r\n\x1b") {
		t.Errorf("got %q", text)
	}
	if err := enter(t, New(busy(t, "")), "10.0.0.1").Mail(t.Context(), "<>"); err != nil {
		t.Errorf("any sender is allowed: %v", err)
	}
}

// A new file changes the limits of a mailbox that is in use, and keeps who uses it.
func TestReplace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(busy(t, "  sessions: 1\n  messages_per_minute: 1\n"))
		first := enter(t, k, "10.0.0.1")
		if err := first.Mail(t.Context(), ""); err != nil {
			t.Error(err)
		}
		var all sync.WaitGroup
		for i := range 2 {
			all.Go(func() { enter(t, k, fmt.Sprintf("10.0.0.%d", i)) })
		}
		synctest.Wait()
		k.Replace(busy(t, "  sessions: 3\n  messages_per_minute: 100\n  wait: 1s\n  senders: [b@contoso.com]\n"))
		all.Wait()
		if q := k.Queues()[0]; q.Sessions != 3 || q.MaxSessions != 3 || q.Waiting != 0 {
			t.Errorf("%+v", q)
		}
		if err := first.Mail(t.Context(), "a@contoso.com"); reasonOf(t, err) != record.ReasonSenderNotAllowed {
			t.Errorf("another sender: %v", err)
		}
		began := time.Now()
		if err := first.Mail(t.Context(), "b@contoso.com"); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		k.Replace(busy(t, "  sessions: 1\n  wait: 1s\n"))
		first.Leave()
		if _, err := k.Enter(t.Context(), mailboxOf(t, k), from("10.0.0.1")); reasonOf(t, err) != record.ReasonMailboxBusy {
			t.Errorf("with two sessions of one: %v", err)
		}
		k.Replace(nil) // a mailbox that is gone
		if k.Queues() != nil || k.Mapped(from("10.0.0.1")) != nil {
			t.Error("sign-in is configured for somebody")
		}
		time.Sleep(time.Minute)
		if err := first.Mail(t.Context(), ""); err != nil {
			t.Errorf("a session that was there before: %v", err)
		}
	})
}

// A hundred devices sign in and send while the file is read again and again.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := mustParse(t, head+"- address: scan@contoso.com\n  logins:\n  - {name: copier1, password: "+hashOf(t, copierWords)+"}\n"+
			"  messages_per_minute: 10000\n  wait: 10m\n  clients: [10.0.0.0/8]\n")
		k := New(cfg)
		var all sync.WaitGroup
		all.Go(func() {
			for range 50 {
				k.Replace(cfg)
				_ = k.Queues()
			}
		})
		for i := range 100 {
			all.Go(func() { signInAndSend(t, k, i) })
		}
		all.Wait()
		if q := k.Queues()[0]; q.Sessions != 0 || q.Waiting != 0 || q.WaitingMails != 0 {
			t.Errorf("in the end: %+v", q)
		}
	})
}

// signInAndSend is what a device does; others try passwords meanwhile.
func signInAndSend(t *testing.T, k *Keeper, i int) {
	c := from(fmt.Sprintf("10.0.%d.%d", i%7, i))
	for j := range 3 {
		m, err := k.Verify(t.Context(), c, "copier1", copierWords)
		if err != nil {
			t.Error(err)
			return
		}
		if i%10 == 0 {
			if _, err := k.Verify(t.Context(), from(fmt.Sprintf("192.0.%d.%d", j, i)), fmt.Sprint(i, j), "y"); err == nil {
				t.Error("an unknown login is right")
			}
		}
		s, err := k.Enter(t.Context(), m, c)
		if err != nil {
			t.Error(err)
			return
		}
		if n := k.Queues()[0].Sessions; n > defaultSessions || !k.Covers(c, false) {
			t.Errorf("%d sessions", n)
		}
		if err := s.Mail(t.Context(), "a@contoso.com"); err != nil {
			t.Error(err)
		}
		s.Leave()
	}
}
