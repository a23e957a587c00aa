package metrics

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// apart returns the i-th of many addresses in groups of their own.
func apart(i int) netip.Addr {
	a := [16]byte{0xfd}
	binary.BigEndian.PutUint32(a[4:], uint32(i))
	return netip.AddrFrom16(a)
}

// ordinary is a connection of the story, with another client.
func ordinary(records []*record.Record, i int, client netip.Addr) record.Record {
	r := *records[i%len(records)]
	r.Client = client
	return r
}

// office returns metrics with as many clients as are tracked, each with a
// connection of the story.
func office() *Metrics {
	m := New(Options{})
	records := story()
	for i := range defaultMaxClients {
		r := ordinary(records, i, address(i))
		observe(m, &r)
	}
	return m
}

// trouble returns metrics with as many clients as are tracked, each with as many
// reasons, suites and replies as are counted of one.
func trouble(clients int) *Metrics {
	m := New(Options{MaxClients: clients})
	for i := range clients {
		for _, r := range troubles(apart(i)) {
			observe(m, r)
		}
	}
	return m
}

// kinds are the clients of the benchmarks.
var kinds = map[string]func() *Metrics{"few": office, "most": func() *Metrics { return trouble(defaultMaxClients) }}

// troubles are the connections of such a client.
func troubles(client netip.Addr) []*record.Record {
	var all []*record.Record
	reasons := record.Reasons()
	for i := range 2 * maxTuples {
		all = append(all, &record.Record{
			Listener: proxyListener, Client: client, Start: start.Add(time.Duration(i) * time.Second), Duration: time.Second,
			Outcome: record.Outcomes()[i%4], Reason: reasons[i%len(reasons)], JA4: "t10i210100_123456789abc_cba987654321",
			Protocol: record.Protocol(fmt.Sprint("p", i%4)), OfferedVersion: []string{"TLS 1.0", "TLS 1.1", "TLS 1.2", "SSL 3.0"}[i/4%4],
			ClientTLS:   &record.Handshake{Version: []string{"TLS 1.0", "TLS 1.2"}[i%2], CipherSuite: fmt.Sprint("TLS_SUITE_", i)},
			SMTPReplies: []record.SMTPReply{{Code: fmt.Sprint(200 + i), Enhanced: "5.7.60", Count: 1}},
		})
	}
	return all
}

// BenchmarkClosed counts a connection, with so many clients that are known.
func BenchmarkClosed(b *testing.B) {
	for _, clients := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			m := New(Options{MaxClients: clients})
			records := story()
			all := make([]record.Record, 0, clients)
			for i := range clients {
				r := ordinary(records, i, apart(i))
				r.Outcome = record.OutcomeLifted
				all = append(all, r)
				observe(m, &r)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Closed(&all[i*7919%clients])
			}
		})
	}
}

// BenchmarkClosedAtOnce counts connections of few clients on all processors.
func BenchmarkClosedAtOnce(b *testing.B) {
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
		r := ordinary(records, i, address(i%defaultMaxClients))
		m.Closed(&r)
	}
}

// BenchmarkScrape answers a scrape with as many clients as are tracked: with a few series
// each, or with as many as one client has at most.
func BenchmarkScrape(b *testing.B) {
	for series, made := range kinds {
		m := sync.OnceValue(made)
		for format, accept := range map[string]string{
			"text": "", "openmetrics": "application/openmetrics-text;version=1.0.0",
			"protobuf": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
		} {
			for _, encoding := range []string{"identity", "gzip"} {
				b.Run(fmt.Sprintf("series=%s/format=%s/encoding=%s", series, format, encoding), func(b *testing.B) {
					handler := m().Handler()
					r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
					r.Header.Set("Accept", accept)
					r.Header.Set("Accept-Encoding", encoding)
					b.ReportAllocs()
					b.ResetTimer()
					for b.Loop() {
						w := httptest.NewRecorder()
						handler.ServeHTTP(w, r)
						b.ReportMetric(float64(w.Body.Len()), "bytes/scrape")
					}
				})
			}
		}
	}
}

// BenchmarkMemory reports what one client takes.
func BenchmarkMemory(b *testing.B) {
	for series, of := range kinds {
		b.Run("series="+series, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				m := of()
				b.ReportMetric(float64(heap()-before)/defaultMaxClients, "bytes/client")
				runtime.KeepAlive(m)
			}
		})
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
