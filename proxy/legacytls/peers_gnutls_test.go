package legacytls

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
)

func TestGnuTLS(t *testing.T) {
	t.Parallel()
	root := rootFile(t)
	client := peerCommand{
		args: func(s *served) []string {
			args := []string{"gnutls-cli", "--x509cafile", root, "--verify-hostname", serverName, "--resume", "-p", s.server.port, "127.0.0.1"}
			priority := gnutlsPriority(s.version, suiteByID(s.suite))
			if records, ok := strings.CutPrefix(s.label, "records of "); ok {
				args = append(args, "--recordsize", records)
			}
			switch s.how {
			case byTicket:
				return append(args, "--sni-hostname", serverName, "--priority", priority)
			case byID:
				return append(args, "--sni-hostname", serverName, "--priority", priority+":%NO_TICKETS")
			}
			return append(args, "--disable-sni", "--priority", priority+":%NO_EXTENSIONS")
		},
		says: func(s *served) []string {
			return []string{
				"Status: The certificate is trusted.", "Peer has closed the GnuTLS connection", "*** This is a resumed session",
				"Description: (TLS" + s.number() + "-X.509)-(", gnutlsDescription(suiteByID(s.suite)),
			}
		},
	}
	for _, tr := range append(tours(notDES, 2, byTicket, byID), optionTours(byID, 2)...) {
		client.run(t, tr)
	}
	// A client without signature algorithms verifies SHA-1 at TLS 1.2, and this
	// one does not any more.
	for _, tr := range tours(notDES, 2, byIDBare) {
		if tr.version < tls.VersionTLS12 {
			client.run(t, tr)
		}
	}
	// Where records are limited, the program sends what fits into one, and drops
	// the rest; so these requests are small.
	for _, records := range []string{"512", "1024", "2048", "4096"} {
		for _, version := range peerVersions {
			client.run(t, tour{
				version: version, suite: tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, how: byTicket, visits: 2, label: "records of " + records,
			})
		}
	}
}

// gnutlsPriority asks for one version and one suite.
func gnutlsPriority(version uint16, s *suite) string {
	kx := map[keyExchange]string{kxRSA: "RSA", kxECDHE: "ECDHE-RSA", kxDHE: "DHE-RSA"}[s.kx]
	if s.ecdsa {
		kx = "ECDHE-ECDSA"
	}
	cipher, mac := gnutlsCipher(s)
	return fmt.Sprintf("NONE:+VERS-TLS%s:+%s:+%s:+%s:+COMP-NULL:+SIGN-ALL:+GROUP-ALL", strings.TrimPrefix(tls.VersionName(version), "TLS "),
		kx, cipher, mac)
}

// gnutlsDescription is how the client shows a suite.
func gnutlsDescription(s *suite) string {
	cipher, mac := gnutlsCipher(s)
	if s.aead != nil {
		return "-(" + cipher + ")\n"
	}
	return "-(" + cipher + ")-(" + mac + ")\n"
}

func gnutlsCipher(s *suite) (cipher, mac string) {
	_, name, _ := strings.Cut(s.name, "_WITH_")
	name = strings.NewReplacer("3DES_EDE", "3DES", "RC4", "ARCFOUR", "_", "-").Replace(name)
	i := strings.LastIndex(name, "-")
	cipher, mac = name[:i], name[i+1:]
	switch {
	case s.aead != nil:
		mac = "AEAD"
	case mac == "SHA":
		mac = "SHA1"
	}
	return cipher, mac
}
