package turns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

func here() bool { return false }

// of returns the turn of a connection from an address.
func of(q *Queue, addr string) *Turn {
	return q.For(&record.Record{Client: netip.MustParseAddr(addr)}, here)
}

// isEmpty checks that nothing of those who had a turn is left.
func isEmpty(t *testing.T, q *Queue) {
	t.Helper()
	if q.held != 0 || q.waiting != 0 || q.order.Len() != 0 || len(q.groups) != 0 {
		t.Errorf("left: %d held, %d waiting, %d in order, %d groups", q.held, q.waiting, q.order.Len(), len(q.groups))
	}
}

// wantReason checks that err is a failure with a reason; empty for none.
func wantReason(t *testing.T, err error, want record.Reason) {
	t.Helper()
	var f *record.Failure
	if errors.As(err, &f) != (want != "") || f != nil && f.Reason != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

// There are never more at the same time, each has its turn as often as it needs, and none
// is idle while somebody waits.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			q := New(Config{AtOnce: most})
			var computing atomic.Int32
			compute := func() {
				if n := computing.Add(1); int(n) > most {
					t.Errorf("%d compute at once, at most %d", n, most)
				}
				time.Sleep(time.Millisecond)
				computing.Add(-1)
			}
			start := time.Now()
			var all sync.WaitGroup
			for i := range 60 {
				all.Go(func() {
					turn := of(q, fmt.Sprintf("10.0.0.%d", i%7))
					defer turn.End()
					if err := turn.Begin(t.Context()); err != nil {
						t.Error(err)
					}
					compute()
					turn.Pause()
					if err := turn.Resume(); err != nil {
						t.Error(err)
					}
					compute()
				})
			}
			all.Wait()
			// The last one may have its two turns alone.
			if took, want := time.Since(start), time.Duration(120/most)*time.Millisecond; took < want || took > want+2*time.Millisecond {
				t.Errorf("took %v, want %v", took, want)
			}
			isEmpty(t, q)
		})
	}
}

// A script begins turns one after the other while one is held, and notes the order in
// which they come.
type script struct {
	t     *testing.T
	queue *Queue
	all   sync.WaitGroup
	mu    sync.Mutex
	came  []string
}

// wait begins the turn of a handshake that then ends at once.
func (s *script) wait(name, addr string, paused *Turn) {
	s.all.Go(func() {
		turn, take := paused, (*Turn).Resume
		if paused == nil {
			turn, take = of(s.queue, addr), func(n *Turn) error { return n.Begin(s.t.Context()) }
		}
		defer turn.End()
		if err := take(turn); err != nil {
			s.t.Errorf("%s: %v", name, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.came = append(s.came, name)
	})
	synctest.Wait()
}

// Groups have their turn one after the other, whoever has how many waiting. In a group,
// those come first who have begun.
func TestFairTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, queue: New(Config{AtOnce: 1})}
		paused := of(s.queue, "10.0.0.1")
		if err := paused.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		paused.Pause()
		holder := of(s.queue, "10.0.0.9")
		if err := holder.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			s.wait(fmt.Sprint("many ", i), "10.0.0.1", nil)
		}
		s.wait("many, begun", "", paused)
		s.wait("few", "10.0.0.2", nil)
		s.wait("IPv6, one", "2001:db8:1:1::1", nil)
		s.wait("IPv6, another address of it", "2001:db8:1:1:ffff::2", nil)
		s.wait("IPv6, another", "2001:db8:1:2::1", nil)
		if got := s.queue.Waiting(); got != 105 {
			t.Errorf("%d wait", got)
		}
		holder.End()
		s.all.Wait()
		want := []string{
			"many, begun", "few", "IPv6, one", "IPv6, another", "many 0", "IPv6, another address of it", "many 1", "many 2",
		}
		if got := s.came[:len(want)]; !slices.Equal(got, want) {
			t.Errorf("came %q, want %q", got, want)
		}
		isEmpty(t, s.queue)
	})
}

// A handshake that has begun comes before those of other groups that have not.
func TestBegunComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, queue: New(Config{AtOnce: 1})}
		paused := of(s.queue, "10.0.0.1")
		if err := paused.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		paused.Pause()
		holder := of(s.queue, "10.0.0.9")
		if err := holder.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.wait("new", "10.0.0.2", nil)
		s.wait("another", "10.0.0.3", nil)
		s.wait("begun", "", paused)
		holder.End()
		s.all.Wait()
		if want := []string{"begun", "new", "another"}; !slices.Equal(s.came, want) {
			t.Errorf("came %q, want %q", s.came, want)
		}
		isEmpty(t, s.queue)
	})
}

// There are bounds for those who wait: in all, and of one group. Who has begun always
// finds a place.
func TestBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, queue: New(Config{AtOnce: 1, Waiting: 4, WaitingPerGroup: 3})}
		paused := of(s.queue, "10.0.0.1")
		if err := paused.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		paused.Pause()
		holder := of(s.queue, "10.0.0.9")
		if err := holder.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			s.wait(fmt.Sprint(i), "10.0.0.1", nil)
		}
		wantReason(t, of(s.queue, "10.0.0.1").Begin(t.Context()), record.ReasonOverloaded)
		s.wait("other", "10.0.0.2", nil)
		wantReason(t, of(s.queue, "10.0.0.3").Begin(t.Context()), record.ReasonOverloaded)
		s.wait("begun", "", paused)
		holder.End()
		s.all.Wait()
		if len(s.came) != 5 {
			t.Errorf("came %q", s.came)
		}
		isEmpty(t, s.queue)
	})
}

// Those who do not wait any more leave: at the end of their time, at a stop, and when
// their client has gone.
func TestLeaving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := New(Config{AtOnce: 1})
		holder := of(q, "10.0.0.9")
		if err := holder.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		var gone atomic.Bool
		rec := &record.Record{Client: netip.MustParseAddr("10.0.0.1")}
		begin := func(ctx context.Context, want record.Reason, after time.Duration) {
			t.Helper()
			start := time.Now()
			turn := q.For(rec, gone.Load)
			err := turn.Begin(ctx)
			if turn.ctx != nil || turn.held {
				t.Errorf("%s: the turn keeps what Begin has got", want)
			}
			wantReason(t, err, want)
			if got := turn.Failure(); got != err {
				t.Errorf("the turn says %v, and has returned %v", got, err)
			}
			if took := time.Since(start); took != after {
				t.Errorf("%s took %v, want %v", want, took, after)
			}
			if q.Waiting() != 0 {
				t.Errorf("%s: %d still wait", want, q.Waiting())
			}
		}
		timed, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin(timed, record.ReasonOverloaded, 5*time.Second)

		stopped, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, stop)
		begin(stopped, record.ReasonCutOff, time.Second/2)

		time.AfterFunc(time.Second/2, func() { gone.Store(true) })
		begin(t.Context(), record.ReasonClientClosed, checkEvery)

		// A turn that comes for one who has gone is for the next.
		time.AfterFunc(time.Second/2, holder.End)
		begin(t.Context(), record.ReasonClientClosed, time.Second/2)
		if rec.HandshakeWait != 5*time.Second+time.Second/2+checkEvery+time.Second/2 {
			t.Errorf("the record has %v", rec.HandshakeWait)
		}
		isEmpty(t, q)
	})
}

// Whatever comes at the same time, no turn is lost.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	q := New(Config{AtOnce: 2, Waiting: 20, WaitingPerGroup: 10})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for j := range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*j)*time.Microsecond)
				turn := of(q, fmt.Sprintf("10.0.0.%d", i%5))
				if turn.Begin(ctx) == nil {
					turn.Pause()
					_ = turn.Resume() // whether it comes or not
					turn.End()
				}
				cancel()
			}
		})
	}
	all.Wait()
	isEmpty(t, q)
}

// Nil is the turn of a handshake that waits for nobody.
func TestNoTurn(t *testing.T) {
	t.Parallel()
	var none *Queue
	turn := none.For(nil, nil)
	if err := errors.Join(turn.Begin(t.Context()), turn.Resume()); err != nil || turn.Failure() != nil {
		t.Error(err)
	}
	turn.Pause()
	turn.End()
}
