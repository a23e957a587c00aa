package clienttls

import (
	"crypto/tls"
	"testing"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/localca"
)

func hello(suites ...uint16) *clienthello.Hello {
	return &clienthello.Hello{Format: clienthello.Record, Version: tls.VersionTLS10, CipherSuites: suites}
}

// A client without AES gets a certificate that it can check, unless the clients
// file says otherwise.
func TestLeafProfile(t *testing.T) {
	t.Parallel()
	xp, vista := hello(0x0005, 0x000a, 0x0009), hello(0x0005, 0x0033)
	for _, tt := range []struct {
		name string
		h    *clienthello.Hello
		leaf clientfile.Leaf
		want localca.Profile
	}{
		{"Windows XP", xp, clientfile.Leaf{}, localca.Profile{SHA1: true}},
		{"Windows XP with SHA-256 by file", xp, clientfile.Leaf{Hash: clientfile.HashSHA256}, localca.Profile{}},
		{"AES", vista, clientfile.Leaf{}, localca.Profile{}},
		{"AES with SHA-1 by file", vista, clientfile.Leaf{Hash: clientfile.HashSHA1, Bits: 1024, WithCA: true},
			localca.Profile{SHA1: true, Bits: 1024, WithCA: true}},
	} {
		if got := leafProfile(tt.h, tt.leaf); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
