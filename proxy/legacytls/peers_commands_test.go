package legacytls

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
)

// A peerCommand is a client that a peer brings: it sends standard input, and
// shows what it gets.
type peerCommand struct {
	// args are its name and its arguments for a tour.
	args func(s *served) []string
	// says is what it must print.
	says func(s *served) []string
}

// run runs the command for one tour, in which the last visit brings the
// request.
func (c peerCommand) run(t *testing.T, tr tour) {
	t.Helper()
	t.Run(tr.String(), func(t *testing.T) {
		t.Parallel()
		s := tr.serve(t)
		args := c.args(s)
		out, err := runPeer(t, s.request, args[0], args[1:]...)
		if err != nil || !strings.Contains(out, string(s.answer())) {
			t.Fatalf("the answer did not come, %v: %.5000s", err, out)
		}
		for _, want := range c.says(s) {
			if !strings.Contains(out, want) {
				t.Errorf("want %q, got: %.5000s", want, out)
			}
		}
		s.check(t, 1)
	})
}

func TestOpenSSL(t *testing.T) {
	t.Parallel()
	root := rootFile(t)
	client := peerCommand{
		args: func(s *served) []string {
			args := []string{"openssl", "s_client", "-connect", "127.0.0.1:" + s.server.port, "-CAfile", root, "-verify_return_error",
				"-verify_hostname", serverName, "-servername", serverName, "-ign_eof", "-cipher", opensslName(suiteByID(s.suite)) + ":@SECLEVEL=0",
				map[uint16]string{tls.VersionTLS10: "-tls1", tls.VersionTLS11: "-tls1_1", tls.VersionTLS12: "-tls1_2"}[s.version]}
			switch s.how {
			case byTicket:
				return append(args, "-reconnect")
			case byID:
				return append(args, "-reconnect", "-no_ticket")
			}
			return append(args, "-maxfraglen", s.how)
		},
		says: func(s *served) []string {
			version := strings.Replace(tls.VersionName(s.version), " ", "v", 1)
			want := []string{
				"Verification: OK", "Verified peername: " + serverName, "\nclosed\n", "Secure Renegotiation IS supported",
				"Protocol  : " + strings.TrimSuffix(version, ".0") + "\n", "Cipher    : " + opensslName(suiteByID(s.suite)) + "\n",
			}
			if s.visits > 1 {
				want = append(want, "Reused, ")
			}
			if suiteByID(s.suite).kx == kxDHE {
				want = append(want, fmt.Sprintf("Server Temp Key: DH, %d bits", max(s.server.config.DHBits, 1024)))
			}
			return want
		},
	}
	// The program comes back five times when it is told to.
	for _, tr := range append(tours(func(s *suite) bool { return s.isAES() || s.isChaCha20() }, 6, byTicket, byID), optionTours(byID, 6)...) {
		client.run(t, tr)
	}
	// It reads handshake messages in many records.
	for _, fragment := range []string{"512", "1024", "2048", "4096"} {
		for _, tr := range tours(func(s *suite) bool { return s.isAES() && s.keyLen == 16 }, 1, fragment) {
			client.run(t, tr)
		}
	}
	client.run(t, sha1Tour(t, byTicket, 6))
}
