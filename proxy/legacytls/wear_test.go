package legacytls

import (
	"crypto/tls"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
)

// The group of 1024 bits is ours, and no one else's; both are safe primes of which 2
// generates the large subgroup.
func TestDHEGroups(t *testing.T) {
	t.Parallel()
	for bits, g := range groups {
		half := new(big.Int).Rsh(g.prime, 1)
		if g.prime.BitLen() != bits || !g.prime.ProbablyPrime(32) || !half.ProbablyPrime(32) {
			t.Errorf("%d bits: %x is no safe prime of that length", bits, g.prime)
		}
		if new(big.Int).Exp(big.NewInt(2), half, g.prime).Cmp(big.NewInt(1)) != 0 {
			t.Errorf("%d bits: 2 does not generate the large subgroup", bits)
		}
	}
	if strings.HasPrefix(groups[1024].prime.Text(16), "ffffffff") {
		t.Error("the group of 1024 bits is that of RFC 2409")
	}
}

// Sweet32: a connection with blocks of 64 bits ends by an alert before one key has
// protected 2^30 bytes, in each direction. Others go on.
func TestShortBlocksEnd(t *testing.T) {
	t.Parallel()
	if maxShortBlocks >= 1<<30 {
		t.Errorf("%d bytes are too many", maxShortBlocks)
	}
	for _, suite := range []uint16{
		tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	} {
		for _, writes := range []bool{true, false} {
			near, far := net.Pipe()
			ended, server := serve(far, newConfig(t))
			client := tls.Client(near, clientConfig(t, tls.VersionTLS12, suite))
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			direction := server.in
			if writes {
				direction = server.out
			}
			isShort := suite != tls.TLS_RSA_WITH_AES_128_CBC_SHA
			if direction.hasShortBlocks != isShort || isShort && direction.left < maxShortBlocks-1000 {
				t.Errorf("%s: %d bytes are left, short blocks: %v", tls.CipherSuiteName(suite), direction.left, direction.hasShortBlocks)
			}
			direction.left = 1000
			echoed, err := 0, error(nil)
			for part := make([]byte, 300); err == nil && echoed < 3000; echoed += len(part) {
				if _, err = client.Write(part); err == nil {
					_, err = io.ReadFull(client, part)
				}
			}
			if (err != nil) != isShort || isShort && (echoed > 1200 || !strings.Contains(err.Error(), "internal error")) {
				t.Errorf("%s, writes=%v: %d bytes came back, then %v", tls.CipherSuiteName(suite), writes, echoed, err)
			}
			_ = near.Close()
			var told *ProtocolError
			if err := <-ended; errors.As(err, &told) != isShort {
				t.Errorf("%s: the server ended with %v", tls.CipherSuiteName(suite), err)
			}
		}
	}
}
