package turns

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// BenchmarkEstablishedSession measures how long an echo over TCP takes while 200
// handshakes compute: with turns, and without.
func BenchmarkEstablishedSession(b *testing.B) {
	for name, queue := range map[string]*Queue{"turns": New(Config{}), "none": nil} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			var all sync.WaitGroup
			defer all.Wait()
			defer cancel()
			key := testenv.RSAKey(b, 0)
			for range 200 {
				all.Go(func() { sign(ctx, of(queue, "10.0.0.1"), key) })
			}
			measureEcho(b)
		})
	}
}

// sign signs, in turn, until ctx ends.
func sign(ctx context.Context, turn *Turn, key *rsa.PrivateKey) {
	defer turn.End()
	digest := sha256.Sum256(nil)
	for ctx.Err() == nil {
		if turn.Begin(ctx) != nil {
			return
		}
		_, _ = key.Sign(rand.Reader, digest[:], crypto.SHA256)
		turn.Pause()
	}
}

// measureEcho reports how long an echo takes, for the slowest of a hundred.
func measureEcho(b *testing.B) {
	b.Helper()
	echo := testenv.Serve(b, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", echo.String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := conn.Write([]byte{1}); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
