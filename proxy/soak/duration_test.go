package soak

import (
	"os"
	"runtime"
	"testing"
	"time"
)

const (
	// full is after how many connections of each client the bounded lists of inventory and
	// metrics are as good as full: only then does memory that grows tell anything.
	full = 50
	// growth is what the live memory may grow by after the first part, and growthOfClient
	// what is added for each client, whose rarest failures are still to come.
	growth, growthOfClient = 4 << 20, 2 << 10
	// mostClients is how many addresses all workers have together.
	mostClients = 254 * workers
)

// Of mixed connections for a long time, nothing grows: neither memory nor open files. The
// counters are exact in the end.
func TestSoak(t *testing.T) {
	text := os.Getenv("TLSLIFT_TEST_SOAK")
	if text == "" {
		t.Skip("TLSLIFT_TEST_SOAK does not say for how long")
	}
	duration, err := time.ParseDuration(text)
	must(t, err)
	clients := setting(t, "TLSLIFT_TEST_CLIENTS", uint64(workers*clientsOfWorker))
	if clients > mostClients {
		t.Fatalf("TLSLIFT_TEST_CLIENTS is at most %d", mostClients)
	}
	clientsOfWorker = max(1, int(clients)/workers)
	rate := setting(t, "TLSLIFT_TEST_RATE", 0) // of connections a second; zero means no limit

	s := newSoak(t)
	run := func(atLeast time.Duration, connections uint64) {
		end := time.Now().Add(atLeast)
		var pace <-chan time.Time
		if rate > 0 {
			ticker := time.NewTicker(time.Second / time.Duration(rate))
			defer ticker.Stop()
			pace = ticker.C
		}
		s.run(func(int64) bool {
			if pace != nil {
				<-pace
			}
			return time.Now().Before(end) || uint64(s.next.Load()) < connections
		})
	}
	run(duration/3, clients*full)
	before, first, files := s.next.Load(), s.ledger.liveMemory(t), openFiles(t)
	run(duration*2/3, 0)
	last := s.ledger.liveMemory(t)
	t.Logf("%d KiB of memory after %d connections, %d KiB after %d", first>>10, before, last>>10, s.next.Load())
	if last > first+growth+clients*growthOfClient {
		t.Errorf("memory has grown from %d bytes to %d", first, last)
	}
	awaitFiles(t, files)
	s.end(t)
}

// liveMemory returns the size of what is reachable in the heap.
func liveMemory() uint64 {
	for range 3 { // pools let go at the second collection, finalizers run after one
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
