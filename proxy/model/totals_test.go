package model

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
)

const smtpScheme = listener.SchemeSMTP

// compare compares the records with the connections, and the counters with the records.
func (w *world) compare(t *testing.T) {
	opens := 0
	for _, s := range w.slots {
		opens += s.opens
		if n := len(s.records); n > 0 {
			w.violate("client %d has %d records more than connections", s.number, n)
		}
	}
	w.mu.Lock()
	opened, closed, lines, all := w.opened, w.closed, w.lines, w.all
	w.mu.Unlock()
	if opened != opens || closed != opens || lines != opens {
		w.violate("of %d connections, %d were accepted, %d recorded, %d logged", opens, opened, closed, lines)
	}
	want := map[string]float64{}
	for i := range all {
		count(want, &all[i])
	}
	have := w.scrape(t)
	for name, value := range have {
		switch {
		case strings.HasPrefix(name, "tlslift_connections_active{") && value != 0:
			w.violate("in the end, %s is %v", name, value)
		case isCounted(name) && value != want[name]:
			w.violate("%s is %v, by the records %v", name, value, want[name])
		}
	}
	for name, value := range want {
		if have[name] != value {
			w.violate("%s is %v, by the records %v", name, have[name], value)
		}
	}
	var known uint64
	for _, c := range w.inventory.Snapshot() {
		for _, n := range c.Outcomes {
			known += n
		}
	}
	events := 0
	for i := range all {
		if !all[i].IsHealthCheck() {
			events++
		}
	}
	if known != uint64(events) {
		w.violate("the inventory has %d connections, and there are %d records", known, events)
	}
}

func isCounted(name string) bool {
	return strings.HasPrefix(name, "tlslift_connections_total{") || strings.HasPrefix(name, "tlslift_upstream_failures_total{")
}

// count adds a record to the counters.
func count(to map[string]float64, r *record.Record) {
	if r.IsHealthCheck() {
		return
	}
	to[fmt.Sprintf("tlslift_connections_total{listener=%q,outcome=%q}", r.Listener, r.Outcome)]++
	if r.Reason.Fault() == record.FaultDestination && r.Destination != "" {
		to[fmt.Sprintf("tlslift_upstream_failures_total{destination=%q,reason=%q}", r.Destination, r.Reason)]++
	}
}

// scrape returns the series of /metrics by their names with labels.
func (w *world) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	answer := httptest.NewRecorder()
	w.metrics.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	series := map[string]float64{}
	for line := range strings.Lines(answer.Body.String()) {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		w.must(err)
		series[line[:at]] = value
	}
	return series
}

// openFiles counts the open files of the process.
func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// awaitFiles waits until there are at most n open files. The pipes by which the kernel
// relays may wait for the garbage collector.
func (w *world) awaitFiles(t *testing.T, n int) {
	t.Helper()
	late := time.After(patience)
	for openFiles(t) > n {
		runtime.GC()
		select {
		case <-time.After(time.Millisecond):
		case <-late:
			w.violate("%d files are open, %d before", openFiles(t), n)
			return
		}
	}
}

// awaitGoroutines waits until there are at most n goroutines.
func (w *world) awaitGoroutines(n int) {
	late := time.After(patience)
	for runtime.NumGoroutine() > n {
		select {
		case <-time.After(time.Millisecond):
		case <-late:
			stacks := make([]byte, 1<<16)
			w.violate("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), n, stacks[:runtime.Stack(stacks, true)])
			return
		}
	}
}
