package entra_test

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

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
)

// race lets n sessions ask at the same time, and returns how many different tokens
// they got.
func race(t *testing.T, n int, ask func() (entra.Token, error)) int {
	t.Helper()
	var mu sync.Mutex
	values := map[string]bool{}
	var sessions sync.WaitGroup
	for range n {
		sessions.Go(func() {
			got, err := ask()
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			values[got.Value] = true
			mu.Unlock()
		})
	}
	sessions.Wait()
	return len(values)
}

func TestManySessionsMakeOneRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.source(t, w.config(t))
		hold := make(chan struct{})
		w.SetTrouble(fakeentra.Trouble{Hold: hold})
		go func() {
			synctest.Wait() // until all wait for the one request
			close(hold)
		}()
		got := race(t, 100, func() (entra.Token, error) {
			return s.Token(t.Context(), entra.Identity{Mailbox: fmt.Sprintf("%p@contoso.example", new(int)), Protocol: record.ProtocolSMTP})
		})
		if got != 1 {
			t.Errorf("the sessions got %d tokens", got)
		}
		wantRequests(t, w, 1)
		if n := w.Counts().Discovery; n != 1 {
			t.Errorf("%d requests for the tenant's endpoints", n)
		}
	})
}

func TestCancelledCallerLeavesTheRequestToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.source(t, w.config(t))
		hold := make(chan struct{})
		w.SetTrouble(fakeentra.Trouble{Hold: hold})
		ctx, cancel := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		callers.Go(func() {
			if _, err := s.Token(ctx, smtp); !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled caller gets %v", err)
			}
		})
		synctest.Wait()
		callers.Go(func() {
			if _, err := s.Token(t.Context(), smtp); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(hold)
		callers.Wait()
		wantRequests(t, w, 1)

		w.SetTrouble(fakeentra.Trouble{Hold: make(chan struct{})})
		short, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err := s.Token(short, entra.Identity{HVE: true})
		wantReason(t, err, record.ReasonEntraUnreachable)
	})
}

// The old token serves while the new one is on its way.
func TestRenewedAhead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id     entra.Identity
		before time.Duration // the end of the token
	}{
		"Exchange": {smtp, 5 * time.Minute},
		"HVE":      {entra.Identity{Mailbox: mailbox, Protocol: record.ProtocolSMTP, HVE: true}, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.Change(application, func(a *fakeentra.Application) { a.Roles = append(a.Roles, "Mail.Send") })
				s := w.source(t, w.config(t))
				first := token(t, s, c.id)
				time.Sleep(time.Hour - c.before - time.Second)
				if got := token(t, s, c.id); got.Value != first.Value {
					t.Error("the token was renewed too early")
				}
				wantRequests(t, w, 1)
				time.Sleep(2 * time.Second)
				hold := make(chan struct{})
				w.SetTrouble(fakeentra.Trouble{Hold: hold})
				if n := race(t, 100, func() (entra.Token, error) { return s.Token(t.Context(), c.id) }); n != 1 {
					t.Errorf("%d tokens", n)
				}
				if got := token(t, s, c.id); got.Value != first.Value {
					t.Error("the old token does not serve")
				}
				close(hold)
				synctest.Wait()
				if got := token(t, s, c.id); got.Value == first.Value || !got.Expires.After(first.Expires) {
					t.Error("the token was not renewed")
				}
				wantRequests(t, w, 2)
			})
		})
	}
}

func TestEntraDownForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.source(t, w.config(t))
		first := token(t, s, smtp)
		w.SetTrouble(fakeentra.Trouble{Reset: true})
		for range 59 { // a minute each
			time.Sleep(time.Minute)
			if got := token(t, s, smtp); got.Value != first.Value {
				t.Fatal("another token")
			}
		}
		time.Sleep(2 * time.Minute)
		_, err := s.Token(t.Context(), smtp)
		wantReason(t, err, record.ReasonEntraUnreachable)
		w.SetTrouble(fakeentra.Trouble{})
		time.Sleep(time.Minute) // the longest pause
		if got := token(t, s, smtp); got.Value == first.Value {
			t.Error("still the old token")
		}
	})
}

// 300 printers that try every second do not reach Entra with that.
func TestFailuresAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Change(application, func(a *fakeentra.Application) { a.SecretExpired = true })
		s := w.source(t, w.config(t))
		for range 10 * 60 {
			for range 300 {
				_, err := s.Token(t.Context(), smtp)
				wantReason(t, err, record.ReasonAppSecretExpired)
			}
			time.Sleep(time.Second)
		}
		// 2, 4, 8, 16, 32 seconds and then a minute each.
		if n := w.Counts().Token; n < 10 || n > 16 {
			t.Errorf("%d token requests in ten minutes", n)
		}
		// A caller may change what it got.
		_, err := s.Token(t.Context(), smtp)
		_, other := s.Token(t.Context(), smtp)
		if err == other { // whether it is the same one
			t.Error("two callers share one failure")
		}
	})
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	for name, retryAfter := range map[string]string{
		"seconds": "600", "date": time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC).Format(time.RFC1123),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // its clock begins with the year 2000
				if name == "date" {
					retryAfter = time.Now().Add(10 * time.Minute).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
				}
				w := newWorld(t)
				s := w.source(t, w.config(t))
				w.SetTrouble(fakeentra.Trouble{Status: 429, RetryAfter: retryAfter})
				_, err := s.Token(t.Context(), smtp)
				wantReason(t, err, record.ReasonEntraThrottled)
				w.SetTrouble(fakeentra.Trouble{})
				before := w.Counts()
				time.Sleep(10*time.Minute - 2*time.Second)
				for _, id := range []entra.Identity{smtp, {HVE: true}} { // for one as for all
					_, err = s.Token(t.Context(), id)
					wantReason(t, err, record.ReasonEntraThrottled)
				}
				if w.Counts() != before {
					t.Error("Entra was asked before the time that it named")
				}
				time.Sleep(3 * time.Second)
				token(t, s, smtp)
			})
		})
	}
}

// While Entra throttles us, the token of before serves.
func TestThrottledWithAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.source(t, w.config(t))
		first := token(t, s, smtp)
		w.SetTrouble(fakeentra.Trouble{Status: 429, RetryAfter: "3600"})
		time.Sleep(58 * time.Minute)
		for range 100 {
			if got := token(t, s, smtp); got.Value != first.Value {
				t.Fatal("another token")
			}
			time.Sleep(time.Second)
		}
		wantRequests(t, w, 2)
	})
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.source(t, w.config(t))
		first := token(t, s, smtp)
		w.Revoke(first.Value)
		if _, err := w.Verify(first.Value); err == nil {
			t.Fatal("a revoked token is good")
		}
		if n := race(t, 100, func() (entra.Token, error) { return s.Renew(t.Context(), smtp, first) }); n != 1 {
			t.Errorf("the sessions got %d tokens", n)
		}
		wantRequests(t, w, 2)
		second := token(t, s, smtp)
		if _, err := w.Verify(second.Value); err != nil || second.Value == first.Value {
			t.Errorf("the new token: %v", err)
		}

		// A destination that refuses every token costs one request a minute.
		for range 600 {
			again := token(t, s, smtp)
			if _, err := s.Renew(t.Context(), smtp, again); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := w.Counts().Token; n < 10 || n > 13 {
			t.Errorf("%d token requests", n)
		}
	})
}

// A renewal that fails does not give the refused token out as new.
func TestRenewFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.source(t, w.config(t))
		first := token(t, s, smtp)
		w.SetTrouble(fakeentra.Trouble{Code: 7000222})
		_, err := s.Renew(t.Context(), smtp, first)
		wantReason(t, err, record.ReasonAppSecretExpired)
		for _, kept := range s.States() {
			if !strings.HasPrefix(kept.Detail, "AADSTS7000222 (invalid_client)") || !kept.Failed.Equal(time.Now()) {
				t.Errorf("kept is %q of %s", kept.Detail, kept.Failed)
			}
			if kept.Reason != record.ReasonAppSecretExpired || !kept.Expires.Equal(first.Expires) || kept.Account != "" {
				t.Errorf("kept is %+v", kept)
			}
		}
	})
}

// A role that is missing is told before the destination refuses, for the protocol
// that needs it alone; consent that comes later serves without a restart.
func TestConsentMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.source(t, w.config(t))
		pop := entra.Identity{Mailbox: mailbox, Protocol: record.ProtocolPOP3}
		for range 30 {
			_, err := s.Token(t.Context(), pop)
			wantReason(t, err, record.ReasonConsentMissing)
			token(t, s, smtp)
			wantLacks(t, s, "pop3")
			time.Sleep(time.Second)
		}
		wantRequests(t, w, 1)
		w.Change(application, func(a *fakeentra.Application) { a.Roles = append(a.Roles, "POP.AccessAsApp") })
		time.Sleep(time.Minute)
		token(t, s, pop)
		wantRequests(t, w, 2)
		wantLacks(t, s)

		w.Change(application, func(a *fakeentra.Application) { a.Roles = nil })
		// Without any role, roles of Exchange may count: the destination is asked first.
		s = w.source(t, w.config(t))
		for _, id := range []entra.Identity{smtp, {HVE: true}} {
			_, err := s.Renew(t.Context(), id, token(t, s, id))
			wantReason(t, err, record.ReasonConsentMissing)
			wantLacks(t, s, id.Protocol)
			token(t, s, id) // the destination may take it now
			wantLacks(t, s)
		}
	})
}

// wantLacks checks for which protocols the tokens have no permission.
func wantLacks(t *testing.T, s *entra.Source, want ...record.Protocol) {
	t.Helper()
	var got []record.Protocol
	for _, state := range s.States() {
		if state.Reason != record.ReasonConsentMissing {
			continue
		}
		got = append(got, state.Protocol)
		if !strings.HasPrefix(state.Detail, "the token does not have ") || state.Failed.IsZero() || !state.Expires.IsZero() {
			t.Errorf("it is %+v", state)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the token lacks the permission of %q, want %q", got, want)
	}
}

// Close does not wait for an answer that does not come.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, err := entra.New(w.config(t))
		if err != nil {
			t.Fatal(err)
		}
		w.SetTrouble(fakeentra.Trouble{Hold: make(chan struct{})})
		var caller sync.WaitGroup
		caller.Go(func() {
			_, err := s.Token(t.Context(), smtp)
			wantReason(t, err, record.ReasonEntraUnreachable)
		})
		synctest.Wait()
		began := time.Now()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		caller.Wait()
		if !time.Now().Equal(began) { // the clock of the bubble goes on when all wait
			t.Error("Close waited for Entra")
		}
		_, err = s.Token(t.Context(), smtp)
		wantReason(t, err, record.ReasonEntraUnreachable)
	})
}
