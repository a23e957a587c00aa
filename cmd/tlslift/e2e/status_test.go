package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ask runs a command of tlslift with the settings of the one that is running.
func (l *tlslift) ask(t *testing.T, args ...string) string {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = l.cmd.Env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tlslift %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// get returns a page of the admin address.
func (l *tlslift) get(t *testing.T, path string) string {
	t.Helper()
	resp, err := l.http.Get("http://" + l.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return string(text)
}

// An administrator sees who needs lifting, who fails, why, and what to do; the
// CA that the page hands out is the one that makes the client work.
func TestWhoNeedsLiftingAndWhoFails(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := start(t, n.address, n.pki.pem)
	old := []string{"-connect", l.tls, "-tls1", "-cipher", lowestSecurity}
	if _, err := sClient(t, n.rootFile(), old...); err == nil {
		t.Fatal("a client that does not trust the CA got through")
	}
	l.record(t, map[string]string{"reason": "client_unknown_ca"})

	if out := l.ask(t, "clients", "--failing"); !strings.Contains(out, "127.0.0.1") || !strings.Contains(out, "client_unknown_ca") {
		t.Errorf("tlslift clients --failing says\n%s", out)
	}
	for _, path := range []string{"/", "/clients/127.0.0.1"} {
		if page := l.get(t, path); !strings.Contains(page, "127.0.0.1") || !strings.Contains(page, "/ca.pem") ||
			!strings.Contains(page, "TLS 1.0") {
			t.Errorf("%s does not tell:\n%s", path, end(page))
		}
	}

	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, []byte(l.get(t, "/ca.pem")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := sClient(t, caFile, old...); err != nil || !strings.Contains(out, "hello from nginx") {
		t.Fatalf("with the CA of the page: %v\n%s", err, end(out))
	}
	l.record(t, map[string]string{"outcome": "lifted"})
	var answer struct {
		Clients []struct {
			Client, Offered, Version, JA4 string
			Outcomes                      map[string]int
			Failure                       struct{ Reason string }
		}
	}
	if err := json.Unmarshal([]byte(l.ask(t, "clients", "--legacy", "--json")), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Clients) != 1 {
		t.Fatalf("got %+v", answer)
	}
	c := answer.Clients[0]
	if c.Client != "127.0.0.1" || c.Offered != "TLS 1.0" || c.Version != "TLS 1.0" || !strings.HasPrefix(c.JA4, "t10d") ||
		c.Outcomes["lifted"] != 1 || c.Outcomes["failed"] != 1 || c.Failure.Reason != "client_unknown_ca" {
		t.Errorf("got %+v", c)
	}
	if out := l.ask(t, "clients", "--failing"); strings.Contains(out, "127.0.0.1") {
		t.Errorf("a client that works again is failing:\n%s", out)
	}
}
