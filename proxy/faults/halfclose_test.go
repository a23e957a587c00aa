package faults

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"testing"

	"github.com/Shopify/toxiproxy/v2/toxics"
)

// A client that half-closes after its request gets the whole answer, through networks
// that are slow and cut everything into slices.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	for _, max := range []uint16{tls.VersionTLS10, tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(max), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, false, patient, nil)
			for _, l := range []*link{w.before, w.behind} {
				l.poison(up, &toxics.LatencyToxic{Latency: 10, Jitter: 5})
				l.poison(down, &toxics.SlicerToxic{AverageSize: 700, SizeVariation: 300})
			}
			raw := w.dial()
			defer raw.Close()
			secure := tls.Client(raw, w.config(max))
			must(t, secure.HandshakeContext(t.Context()))
			_, err := fmt.Fprintf(secure, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", 100000)
			must(t, err)
			must(t, secure.CloseWrite())
			must(t, raw.CloseWrite())
			answer, err := io.ReadAll(secure)
			if n := bytes.Count(answer, []byte("x")); n != 100000 || err != nil {
				t.Errorf("of 100000 bytes, %d arrive (%v)", n, err)
			}
			if r := w.record(); r.Reason != "" {
				t.Errorf("the record is %s %q (%v)", r.Outcome, r.Reason, r.Err)
			}
			w.compare()
		})
	}
}
