package proxy_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// fallBack asks for the page at TLS 1.2 or older with a suite, and says that it can
// speak a newer version (RFC 7507).
func fallBack(t *testing.T, w *world, root, version, suite string) string {
	t.Helper()
	testenv.Need(t, "openssl")
	cmd := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", w.tls, "-servername", host, "-CAfile", root, "-ign_eof",
		version, "-cipher", suite+":@SECLEVEL=0", "-fallback_scsv")
	cmd.Stdin = strings.NewReader(page)
	out, _ := cmd.CombinedOutput() // a failure is in it
	return string(out)
}

// A client that falls back from TLS 1.3 is told to try that again, unless it can reach
// the destination by itself.
func TestFallback(t *testing.T) {
	t.Parallel()
	w, root := tls12World(t, false)
	for _, version := range []string{"-tls1_2", "-tls1_1", "-tls1"} {
		if out := fallBack(t, w, root, version, "AES128-SHA"); !strings.Contains(out, "alert inappropriate fallback") {
			t.Errorf("%s: the client says:\n%s", version, out)
		}
		w.expect(record.OutcomeRefused, record.ReasonInappropriateFallback)
	}
	// The destination serves TLS 1.3, and says the same.
	for range 2 {
		if out := fallBack(t, w, root, "-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256"); !strings.Contains(out, "alert inappropriate fallback") {
			t.Errorf("the client says:\n%s", out)
		}
		if r := w.expect(record.OutcomeRefused, record.ReasonInappropriateFallback); r.Rule != record.RuleCapable {
			t.Errorf("decided by %s", r.Rule)
		}
	}
}

// A client whose ClientHello the destination has refused has a reason to fall back.
func TestFallbackAfterRefusal(t *testing.T) {
	t.Parallel()
	w, root := tls12World(t, true)
	for _, tt := range []struct {
		suite string
		rule  record.Rule
	}{
		{"ECDHE-RSA-AES128-GCM-SHA256", record.RuleDestinationRefused},
		{"AES128-SHA", record.RuleCipherSuites},
	} {
		if out := fallBack(t, w, root, "-tls1_2", tt.suite); !strings.Contains(out, "hello from "+host) {
			t.Errorf("%s: the client says:\n%s", tt.suite, out)
		}
		if r := w.expect(record.OutcomeLifted, ""); r.Rule != tt.rule {
			t.Errorf("%s: decided by %s", tt.suite, r.Rule)
		}
	}
	if out := fallBack(t, w, root, "-tls1_1", "AES128-SHA"); !strings.Contains(out, "alert inappropriate fallback") {
		t.Errorf("the client says:\n%s", out)
	}
	w.expect(record.OutcomeRefused, record.ReasonInappropriateFallback)
}
