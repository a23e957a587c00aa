package metrics

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// office returns metrics with as many clients as are tracked, each with a
// connection of the story.
func office() *Metrics {
	m := New(Options{})
	records := story()
	for i := range defaultMaxClients {
		r := *records[i%len(records)]
		r.Client = address(i)
		observe(m, &r)
	}
	return m
}

func BenchmarkClosed(b *testing.B) {
	m := office()
	records := story()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			m.Closed(records[i%len(records)])
		}
	})
}

func BenchmarkClosedOfNewClients(b *testing.B) {
	b.ReportAllocs()
	records := story()
	var m *Metrics
	for i := 0; b.Loop(); i++ {
		if i%defaultMaxClients == 0 {
			m = New(Options{})
		}
		r := *records[i%len(records)]
		r.Client = address(i % defaultMaxClients)
		m.Closed(&r)
	}
}

func BenchmarkScrape(b *testing.B) {
	handler := office().Handler()
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		b.ReportMetric(float64(w.Body.Len()), "bytes/scrape")
	}
}
