package logging

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// BenchmarkLine is the time that a connection spends on its log line: with a writer to a
// pipe that is read, and with the pipe itself.
func BenchmarkLine(b *testing.B) {
	lifted := &record.Record{
		Listener: proxyListener, Client: netip.MustParseAddr("10.0.0.7"), Destination: office, ServerName: "outlook.office365.com",
		Protocol: record.ProtocolTLS, OfferedVersion: "TLS 1.0", Rule: record.RuleTLSVersion, Outcome: record.OutcomeLifted,
	}
	refused := *lifted
	refused.Outcome, refused.Reason = record.OutcomeFailed, record.ReasonClientUnknownCA
	for _, c := range []struct {
		name   string
		record *record.Record
		direct bool
	}{
		{"direct/lifted", lifted, true}, {"direct/failed", &refused, true},
		{"lifted", lifted, false}, {"failed", &refused, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			reader, pipe, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			read := make(chan struct{})
			go func() {
				defer close(read)
				_, _ = io.Copy(io.Discard, reader)
			}()
			log := slog.New(newHandler(pipe, Options{JSON: true}))
			w := NewWriter(pipe)
			if !c.direct {
				log, _ = New(w, Options{JSON: true})
			}
			b.ReportAllocs()
			for b.Loop() {
				log.LogAttrs(context.Background(), c.record.Level(), "connection", c.record.Attrs()...)
			}
			b.StopTimer()
			w.Close()
			_ = pipe.Close()
			<-read
			b.ReportMetric(float64(w.Dropped())/float64(b.N), "dropped/op")
		})
	}
}
