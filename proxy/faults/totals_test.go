package faults

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
)

// compare compares the counters with the records, when all connections have ended.
func (w *world) compare() {
	w.t.Helper()
	answer := httptest.NewRecorder()
	w.metrics.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	have := map[string]int{}
	for line := range strings.Lines(answer.Body.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		name, labels, _ := strings.Cut(name, "{")
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "tlslift_connections_total":
			if n != 0 {
				have[labels[strings.Index(labels, "outcome="):]] += int(n)
			}
		case "tlslift_connections_active":
			if n != 0 {
				w.t.Errorf("%s connections are active", value)
			}
		}
	}
	want := map[string]int{}
	for i := range w.all {
		if !w.all[i].IsHealthCheck() {
			want[fmt.Sprintf("outcome=%q", w.all[i].Outcome)]++
		}
	}
	if !maps.Equal(have, want) || len(w.records) > 0 {
		w.t.Errorf("the counters are %v, the records %v, and %d more", have, want, len(w.records))
	}
}
