package main

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// curlStatus returns the status and the body of an answer.
func curlStatus(t *testing.T, args ...string) (status, body string) {
	t.Helper()
	args = append([]string{"-s", "--noproxy", "*", "--path-as-is", "-w", "\n%{http_code}"}, args...)
	out, err := exec.CommandContext(t.Context(), "curl", args...).Output()
	if err != nil {
		t.Fatalf("curl %v: %v", args, err)
	}
	i := strings.LastIndex(string(out), "\n")
	return string(out[i+1:]), string(out[:i])
}

// Devices fetch the CA and the proxy configuration from an address that has nothing else;
// the other one answers to its own names only, and has that too.
func TestServePublicAddress(t *testing.T) {
	t.Parallel()
	needSignals(t)
	testenv.Need(t, "curl")
	c := newChild(t, "TLSLIFT_PUBLIC_LISTEN=127.0.0.1:0", "TLSLIFT_ADMIN_HOSTS=tlslift.example.com")
	c.start()
	c.started()
	public := strings.TrimSuffix(c.record("public")["ca"].(string), "/ca")
	c.record("started")
	for _, form := range []string{"/ca.pem", "/ca.der", "/ca.p7b", "/ca-sha1.pem", "/ca-backdated.pem", "/proxy.pac", "/wpad.dat"} {
		status, body := curlStatus(t, "-o", "/dev/null", "-H", "Host: localhost", public+form)
		if status != "200" {
			t.Errorf("%s: %s %s", form, status, body)
		}
		if _, here := c.get(form); here == "" {
			t.Errorf("%s is not on the admin address", form)
		}
	}
	if _, body := curlStatus(t, public+"/ca"); !strings.Contains(body, "fingerprint") || !strings.Contains(body, public+"/ca.pem") {
		t.Errorf("/ca: %s", body)
	}
	for _, path := range []string{
		"/", "/metrics", "/healthz", "/readyz", "/api/v1/clients", "/api/v1/clients.csv", "/api/v1/connections", "/reasons",
		"/report", "/report.csv", "/clients/a",
		"/ca/../metrics", "/ca.key", "/../ca.key",
	} {
		if status, body := curlStatus(t, "-L", public+path); status != "404" || strings.Contains(body, "tlslift_") {
			t.Errorf("%s: %s %s", path, status, body)
		}
	}
	for _, method := range []string{"POST", "DELETE", "PUT", "OPTIONS"} {
		if status, _ := curlStatus(t, "-X", method, public+"/ca.pem"); status != "405" {
			t.Errorf("%s: %s", method, status)
		}
	}
	for host, want := range map[string]string{"evil.example.com": "421", "tlslift.example.com": "200", "localhost": "200"} {
		if status, body := curlStatus(t, "-H", "Host: "+host, c.admin+"/metrics"); status != want {
			t.Errorf("%s: %s %s", host, status, body)
		}
	}
	if code, _ := c.get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d", code)
	}
}

// Two addresses cannot be one, whether that is seen before or when they are opened.
func TestPublicAddressInUse(t *testing.T) {
	t.Parallel()
	address := testenv.FreeAddress(t)
	got := runWith(t, map[string]string{"TLSLIFT_PUBLIC_LISTEN": address, "TLSLIFT_ADMIN_LISTEN": address}, "config")
	if got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_PUBLIC_LISTEN: "+address+" is that of TLSLIFT_ADMIN_LISTEN") {
		t.Errorf("got %+v", got)
	}
	c := newChild(t, "TLSLIFT_PUBLIC_LISTEN="+strings.Replace(address, "127.0.0.1", "localhost", 1), "TLSLIFT_ADMIN_LISTEN="+address)
	c.start()
	code, rest := c.wait()
	if code != exitFailure || !strings.Contains(rest, "TLSLIFT_PUBLIC_LISTEN: cannot listen on localhost") {
		t.Errorf("exit code %d: %s", code, rest)
	}
}
