package inventory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
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

// mailed is a connection as most are: each with strings of its own, as they come from a
// ClientHello and a dialogue.
func mailed(i, n int) *record.Record {
	host := fmt.Sprintf("smtp%d.office365.com", i%3)
	return &record.Record{
		Listener: "smtp://0.0.0.0:2525", Client: apart(i), Start: time.Unix(1_800_000_000+int64(n), 0), Duration: time.Second,
		Protocol: record.ProtocolSMTP, Destination: host + ":587", ServerName: host, OfferedVersion: "TLS 1.0",
		JA3: fmt.Sprintf("%032x", i%50), JA4: fmt.Sprintf("t10i210100_%012x_cba987654321", i%50),
		Rule: record.RuleTLSVersion, Outcome: record.OutcomeLifted,
		ClientTLS:       &record.Handshake{Version: "TLS 1.0", CipherSuite: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", Duration: time.Second},
		UpstreamTLS:     &record.Handshake{Version: "TLS 1.3", CipherSuite: "TLS_AES_256_GCM_SHA384"},
		BytesFromClient: 1000, BytesToClient: 100, Accepted: 1,
	}
}

// troubled is a connection with one of all reasons.
func troubled(i, n int) *record.Record {
	r := mailed(i, n)
	reasons := record.Reasons()
	r.Reason = reasons[n%len(reasons)]
	r.Outcome, r.Accepted = r.Reason.Outcome(), 0
	r.Err = fmt.Errorf("reading from %s: %w", r.Destination, errors.New("connection reset by peer"))
	r.SMTPReply = "550 5.7.60"
	return r
}

// BenchmarkClosed adds a connection, with so many clients that are known.
func BenchmarkClosed(b *testing.B) {
	for _, clients := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			v := New(Options{})
			all := make([]*record.Record, 0, clients)
			for i := range clients {
				all = append(all, mailed(i, i))
				v.Closed(all[i])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				v.Closed(all[i*7919%clients])
			}
		})
	}
}

// BenchmarkMemory reports what a client takes that has had as many connections as are kept.
func BenchmarkMemory(b *testing.B) {
	for kind, of := range map[string]func(i, n int) *record.Record{"mailed": mailed, "troubled": troubled} {
		for _, clients := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("kind=%s/clients=%d", kind, clients), func(b *testing.B) {
				for b.Loop() {
					before := inUse()
					v := New(Options{})
					for n := range 20 {
						for i := range clients {
							v.Closed(of(i, n))
						}
					}
					b.ReportMetric(float64(inUse()-before)/float64(clients), "bytes/client")
					runtime.KeepAlive(v)
				}
			})
		}
	}
}

// inUse returns how many bytes are in use.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// saved returns the state of so many clients.
func saved(clients int) *memory {
	v := New(Options{MaxClients: clients})
	for n := range 2 {
		for i := range clients {
			v.Closed(mailed(i, n))
			if i%10 == 0 {
				v.Closed(troubled(i, n))
			}
		}
	}
	return &memory{text: StateOf(v).Encode()}
}

// BenchmarkStart reads the state of so many clients.
func BenchmarkStart(b *testing.B) {
	for _, clients := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			store := saved(clients)
			b.ReportMetric(float64(len(store.text))/float64(clients), "bytes/client")
			b.ReportAllocs()
			for b.Loop() {
				if v := New(Options{Store: store}); len(v.clients.byKey) != clients {
					b.Fatalf("%d clients", len(v.clients.byKey))
				}
			}
		})
	}
}

// BenchmarkSave writes the state of so many clients.
func BenchmarkSave(b *testing.B) {
	for _, clients := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			v := New(Options{Store: saved(clients)})
			b.ReportAllocs()
			for b.Loop() {
				StateOf(v).Encode()
			}
		})
	}
}
