package legacytls

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// cryptoTLS are the suites that crypto/tls has as a client.
func cryptoTLS() []uint16 {
	var all []uint16
	for _, s := range suites {
		for _, known := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if known.ID == s.id {
				all = append(all, s.id)
			}
		}
	}
	return all
}

// crypto/tls as a client reaches every suite that it has, at every version, and
// both sides get each other's bytes whole.
func TestCryptoTLSClient(t *testing.T) {
	t.Parallel()
	if n := len(cryptoTLS()); n < 14 {
		t.Fatalf("crypto/tls has only %d of our suites", n)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
		for _, suite := range cryptoTLS() {
			if suiteByID(suite).tls12 && version < tls.VersionTLS12 {
				continue
			}
			for _, split := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/split=%v", tls.VersionName(version), SuiteName(suite), split), func(t *testing.T) {
					t.Parallel()
					config := configFor(t, suite)
					config.SplitRecords = split
					near, far := testenv.Pipe(t)
					ended, server := serve(far, config)
					client := tls.Client(near, clientConfig(t, version, suite))
					exchange(t, client)
					if err := <-ended; err != nil {
						t.Errorf("the server ended with %v", err)
					}
					got := agreed(t, server)
					if got.Version != version || got.CipherSuite != suite || got.ServerName != serverName || got.DidResume {
						t.Errorf("the server's state is %+v", got)
					}
				})
			}
		}
	}
}

// exchange sends bytes of all sizes and reads them back.
func exchange(t *testing.T, client *tls.Conn) {
	t.Helper()
	sent := make([]byte, 100<<10)
	if err := client.Handshake(); err != nil {
		t.Errorf("the handshake: %v", err)
		return
	}
	if s := suiteByID(client.ConnectionState().CipherSuite); s != nil && strings.Contains(s.name, "DES") {
		sent = sent[:45<<10] // DES is very slow with the race detector
	}
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		for rest, n := sent, 1; len(rest) > 0; n = n*3 + 1 {
			n = min(n, len(rest))
			if _, err := client.Write(rest[:n]); err != nil {
				t.Errorf("writing: %v", err)
				return
			}
			rest = rest[n:]
		}
		if err := client.CloseWrite(); err != nil {
			t.Errorf("closing for writing: %v", err)
		}
	})
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes back, %v", len(got), err)
	}
	sending.Wait()
}
