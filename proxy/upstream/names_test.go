package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeServer is a name server of one name, whose answer can be changed.
type fakeServer struct {
	mu     sync.Mutex
	answer fakeAnswer
	asked  int
}

func (s *fakeServer) set(a fakeAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
}

func (s *fakeServer) lookup(ctx context.Context, network, name string) ([]netip.Addr, error) {
	s.mu.Lock()
	s.asked++
	f := &fakeNet{answers: map[string]fakeAnswer{network: s.answer}}
	s.mu.Unlock()
	return f.lookup(ctx, network, name)
}

func (s *fakeServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *fakeServer) names() *names {
	n := newNames(nil)
	n.lookup = s.lookup
	return n
}

var errBroken = errors.New("broken")

var questioned = question{networkIPv4, host + "."}

// ask looks the name up within 15 seconds. It returns what was found, or "failed", and
// after what time.
func ask(t *testing.T, n *names) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	start := time.Now()
	addrs, err := n.find(ctx, questioned)
	took := time.Since(start)
	if err != nil {
		return fmt.Sprint("failed ", took)
	}
	return fmt.Sprint(addrs[0], " ", took)
}

// The last good answer serves for some minutes when there is none.
func TestLastAnswerServes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeServer{answer: in(0, four1)}
		n := s.names()
		want := func(want string, asked int) {
			t.Helper()
			before := s.count()
			if got := ask(t, n); got != want || s.count()-before != asked {
				t.Errorf("got %s with %d look-ups, want %s with %d", got, s.count()-before, want, asked)
			}
		}
		want(four1+" 0s", 1)
		want(four1+" 0s", 1) // it is no cache

		s.set(fakeAnswer{err: errBroken})
		want(four1+" 0s", 1)
		want(four1+" 0s", 0) // nobody asks at once again
		time.Sleep(recheck)
		want(four1+" 0s", 1)

		time.Sleep(recheck)
		s.set(fakeAnswer{after: -1})
		want(four1+" 2s", 1)
		want(four1+" 0s", 0)
		time.Sleep(recheck)
		s.set(in(time.Second, four2))
		want(four2+" 1s", 1)

		s.set(fakeAnswer{after: -1})
		want(four2+" 2s", 1)
		time.Sleep(staleFor)
		want("failed 15s", 1)
		s.set(fakeAnswer{err: errBroken})
		want("failed 0s", 1)
		s.set(in(0, four3))
		want(four3+" 0s", 1)

		// That there is no such name is an answer.
		s.set(noSuchName)
		want("failed 0s", 1)
		s.set(fakeAnswer{err: errBroken})
		want("failed 0s", 1)
	})
}

// Those who ask at the same time share a look-up, each with a deadline of its own; one
// that does not end is not joined.
func TestLookupsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeServer{answer: fakeAnswer{after: -1}}
		n := s.names()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if got := ask(t, n); got != four1+" 2s" { // that of the newcomer
					t.Errorf("got %s", got)
				}
			})
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := n.find(ctx, questioned); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
		time.Sleep(joinable)
		if asked := s.count(); asked != 1 {
			t.Errorf("%d look-ups for those who ask at once", asked)
		}
		// The packets of the first one are lost; that of the newcomer is answered.
		s.set(in(10*time.Millisecond, four1))
		if got := ask(t, n); got != four1+" 10ms" {
			t.Errorf("got %s", got)
		}
		all.Wait()
		if len(n.flights) != 0 {
			t.Error("a look-up stays")
		}
	})
}

// A look-up ends with the last one who waits for it.
func TestLookupEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeServer{answer: fakeAnswer{after: -1}}
		n := s.names()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.find(ctx, questioned); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if len(n.flights) != 0 || len(n.kept) != 0 {
			t.Errorf("%d look-ups and %d answers stay", len(n.flights), len(n.kept))
		}
	})
}

// The answers that are kept are bounded.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	s := &fakeServer{answer: in(0, four1)}
	n := s.names()
	for i := range maxAnswers + 10 {
		if _, err := n.find(t.Context(), question{networkIPv4, fmt.Sprintf("host%d.example.", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(n.kept) != maxAnswers {
		t.Errorf("%d answers are kept", len(n.kept))
	}
}
