package stack

import (
	"runtime/metrics"
	"sync"
	"testing"
)

// A goroutine that has made room has it, with nothing deep in it.
func TestGrow(t *testing.T) {
	read := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	const goroutines = 2000
	grown := func(deep func()) uint64 {
		before := read()
		var there, done sync.WaitGroup
		leave := make(chan struct{})
		there.Add(goroutines)
		for range goroutines {
			done.Go(func() {
				deep()
				there.Done()
				<-leave
			})
		}
		there.Wait()
		after := read()
		close(leave)
		done.Wait()
		return after - before
	}
	if n := grown(Grow); n < goroutines*room {
		t.Errorf("%d goroutines have %d bytes of room", goroutines, n)
	}
}
