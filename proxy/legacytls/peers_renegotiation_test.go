package legacytls

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

// OpenSSL asks for a renegotiation when it is told to by the command R. It takes the
// warning for the end, and says so itself: we have not ended the connection.
func TestOpenSSLRenegotiates(t *testing.T) {
	t.Parallel()
	for version, option := range map[uint16]string{tls.VersionTLS10: "-tls1", tls.VersionTLS11: "-tls1_1", tls.VersionTLS12: "-tls1_2"} {
		for _, suite := range []string{"AES128-SHA", "ECDHE-RSA-AES256-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"} {
			if s := suiteByOpenSSL(suite); s.tls12 && version < tls.VersionTLS12 {
				continue
			}
			t.Run(tls.VersionName(version)+"/"+suite, func(t *testing.T) {
				t.Parallel()
				s := (tour{how: byID}).serve(t)
				out, err := runPeer(t, []byte("R\n"), "openssl", "s_client", "-connect", "127.0.0.1:"+s.server.port, option,
					"-cipher", suite+":@SECLEVEL=0")
				if err == nil || !strings.Contains(out, "RENEGOTIATING") || !strings.Contains(out, "no renegotiation") {
					t.Errorf("%v, the client says: %.5000s", err, out)
				}
				v := s.server.next(t)
				if told := (*AlertError)(nil); !errors.As(v.err, &told) || told.Description != uint8(alertHandshakeFailure) {
					t.Errorf("the server ended with %v", v.err)
				}
				if v.state.Version != version {
					t.Errorf("the server agreed on %+v", v.state)
				}
			})
		}
	}
}

func suiteByOpenSSL(name string) *suite {
	for i := range suites {
		if opensslName(&suites[i]) == name {
			return &suites[i]
		}
	}
	return nil
}
