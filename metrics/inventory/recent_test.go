package inventory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A reader gets every connection once, and continues after a restart.
func TestFollowing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var seen []uint64
		var done sync.WaitGroup
		done.Go(func() {
			var after uint64 = 700 // of an earlier run
			for v.Wait(ctx, "", after) == nil {
				for _, c := range v.Recent("", after, 0) {
					after = c.Number
					seen = append(seen, after)
				}
			}
		})
		synctest.Wait()
		for range 300 {
			v.Closed(lifted("192.0.2.7", time.Now()))
		}
		synctest.Wait()
		cancel()
		done.Wait()
		for i, n := range seen {
			if n != uint64(i+1) {
				t.Fatalf("connection %d is followed by %d", i, n)
			}
		}
		if len(seen) != 300 {
			t.Errorf("%d connections were seen", len(seen))
		}
	})
}

// Who waits for one client is not answered at the connections of others.
func TestWaitForOneClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := New(Options{})
		began := time.Now()
		waited := make(chan error)
		go func() { waited <- v.Wait(t.Context(), numbered(1), 0) }()
		for range 5 {
			time.Sleep(time.Second)
			v.Closed(lifted(numbered(0), time.Now()))
			synctest.Wait()
		}
		select {
		case err := <-waited:
			t.Fatalf("the wait ended after %s with %v", time.Since(began), err)
		default:
		}
		v.Closed(lifted(numbered(1), time.Now()))
		if err := <-waited; err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("the wait ended after %s with %v", time.Since(began), err)
		}
		if err := v.Wait(t.Context(), numbered(1), 5); err != nil {
			t.Errorf("a connection that is there is waited for: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		if err := v.Wait(ctx, numbered(1), 6); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("the wait ended after %s with %v", time.Since(began), err)
		}
	})
}

func TestRecent(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	for i := range 30 {
		v.Closed(lifted(numbered(i%2), noon))
	}
	numbers := func(all []Connection) (n []uint64) {
		for _, c := range all {
			n = append(n, c.Number)
		}
		return n
	}
	for _, test := range []struct {
		client string
		after  uint64
		max    int
		want   string
	}{
		{"", 0, 3, "[28 29 30]"}, {"", 27, 0, "[28 29 30]"}, {"", 30, 0, "[]"}, {"", 31, 2, "[29 30]"},
		{numbered(0), 0, 2, "[27 29]"}, {numbered(1), 27, 5, "[28 30]"}, {"nobody", 0, 5, "[]"},
	} {
		if got := fmt.Sprint(numbers(v.Recent(test.client, test.after, test.max))); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}
