package legacytls

import (
	"crypto/tls"
	"fmt"
	"testing"

	"github.com/tlslift/tlslift/proxy/leafrsa"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// No client can tell the key of a leaf, which may have three primes, from another one.
func TestLeafKeys(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{2048, 1024} {
		key, err := leafrsa.Generate(bits)
		if err != nil {
			t.Fatal(err)
		}
		config := withKey(t, key)
		for version := uint16(tls.VersionTLS10); version <= tls.VersionTLS12; version++ {
			for _, suite := range []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA} {
				t.Run(fmt.Sprint(bits, " ", tls.VersionName(version), " ", tls.CipherSuiteName(suite)), func(t *testing.T) {
					t.Parallel()
					near, far := testenv.Pipe(t)
					ended, _ := serve(far, config)
					roots := (&testenv.Authority{Certificate: config.Certificate.Leaf}).Roots()
					client := tls.Client(near, &tls.Config{
						ServerName: serverName, RootCAs: roots, MinVersion: version, MaxVersion: version, CipherSuites: []uint16{suite},
					})
					exchange(t, client)
					if err := <-ended; err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}
