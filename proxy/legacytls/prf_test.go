package legacytls

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"testing"
)

const wantMD5SHA1 = "" +
	"4df251c70e677347f85ed39b9bbedadc5538bcf46ea014110bb5ccef552ed2469d08f86e23114642a7b10819c6b43b759633d2fc" +
	"98a113c42326df78cb1b0072872842905720b803aabf9a3d390ccd38e38eab2d44fe60df7386b88d7bda40ff0fb8a8259ab641e3"

const wantSHA256 = "" +
	"4bb465875faa8707394491338f6705bbf13ee8fcf4ccec7e74f280602d5f181523c563669f962e01b99a89fd081f5832e8a29cfb" +
	"938e78d2e39233525635334277539d71d96d1703ffa2d125ed754a62d1522fe54ca90f93bd92486c554cfdbed1b18df39b883e5f"

// TestFill computes what OpenSSL computes:
// openssl kdf -keylen LENGTH -kdfopt digest:MD5-SHA1 -kdfopt hexsecret:… -kdfopt hexseed:… TLS1-PRF.
func TestFill(t *testing.T) {
	secret, seed := bytes.Repeat([]byte{0x5a}, masterLen), bytes.Repeat([]byte{0xa5}, 64)
	for _, tc := range []struct {
		name string
		prf  prf
		want string
	}{
		{"MD5 and SHA-1", prf{version: tls.VersionTLS10}, wantMD5SHA1},
		{"SHA-256", prf{tls.VersionTLS12, macSHA256}, wantSHA256},
	} {
		want, err := hex.DecodeString(tc.want)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(want) + 1 { // also where it ends in the middle of a hash
			got := make([]byte, n)
			tc.prf.fill(got, secret, labelKeys, seed[:32], seed[32:])
			if !bytes.Equal(got, want[:n]) {
				t.Fatalf("%s: %d bytes are %x, want %x", tc.name, n, got, want[:n])
			}
		}
	}
}

// BenchmarkFill computes the keys of AES with SHA-1.
func BenchmarkFill(b *testing.B) {
	secret, seed, out := make([]byte, masterLen), make([]byte, 32), make([]byte, 104)
	b.ReportAllocs()
	for b.Loop() {
		prf{version: tls.VersionTLS10}.fill(out, secret, labelKeys, seed, seed)
	}
}
