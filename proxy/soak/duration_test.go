package soak

import (
	"os"
	"runtime"
	"testing"
	"time"
)

const (
	// growth is what the live memory may grow by after the first third, and growthOfClient
	// what is added for each client: inventory and metrics go on to fill their lists, which
	// are bounded.
	growth, growthOfClient = 4 << 20, 24 << 10
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
	until := func(end time.Time) {
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
			return time.Now().Before(end)
		})
	}
	until(s.start.Add(duration / 3))
	first, files := liveMemory(), openFiles(t)
	until(s.start.Add(duration))
	last := liveMemory()
	t.Logf("%d connections; %d KiB of memory after a third, %d KiB at the end", s.next.Load(), first>>10, last>>10)
	if last > first+growth+clients*growthOfClient {
		t.Errorf("%d bytes of memory after a third, %d at the end", first, last)
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
