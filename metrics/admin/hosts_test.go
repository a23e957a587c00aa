package admin

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/metrics/webconfig"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A host name of a web site that resolves to our address is rejected, at every address.
func TestOnlyOwnNamesAreAnswered(t *testing.T) {
	t.Parallel()
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	short, _, _ := strings.Cut(machine, ".")
	h := NewHandler(Options{Metrics: stub("metrics"), Ready: ready, Pages: stub("page"), Hosts: []string{"Lift.example.com"}})
	for host, status := range map[string]int{
		"127.0.0.1:9465": 200, "[::1]:9465": 200, "192.0.2.7": 200, "[2001:db8::7]": 200, "[fe80::1%25eth0]:9465": 200, "": 200,
		"localhost:9465": 200, "localhost": 200, "LOCALHOST.": 200, "tlslift.localhost": 200, "gateway:9465": 200,
		"lift.example.com:9465": 200, "LIFT.example.com.": 200, machine: 200, short + ".local:9465": 200,

		"evil.example.com:9465": 421, "127.0.0.1.example.com": 421, "evil.example.com.": 421, "xlift.example.com": 421,
		"a.lift.example.com": 421, "lift.example.com.evil.example": 421, "localhost.evil.example": 421, machine + ".evil.example": 421,
		"127.0.0.1.": 200, "2130706433.": 200, "[::1].evil.example": 421, "evil.example:9465:9465": 421,
	} {
		for path, want := range map[string]int{"/": status, "/metrics": status, "/api/v1/clients": status, "/healthz": 200, "/readyz": 200} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want || w.Code == 421 && !strings.Contains(w.Body.String(), "TLSLIFT_ADMIN_HOSTS") {
				t.Errorf("%q, %s: got %d %s, want %d", host, path, w.Code, w.Body, want)
			}
		}
	}
}

// The machine's whole name stands beside its short one.
func TestNamesOfTheHostsFile(t *testing.T) {
	t.Parallel()
	text := "127.0.0.1 localhost\n127.0.1.1\tGateway.Corp.example.com gateway # evil.example gateway\n# 192.0.2.1 gateway x.example\n" +
		"192.0.2.9 other.example.com gateway2\n2001:db8::1 gw6.example.com gateway\r\ngateway\n"
	want := []string{"gateway.corp.example.com", "gateway", "gw6.example.com", "gateway"}
	if got := namesBeside(text, "gateway"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := namesBeside("", "gateway"); len(got) != 0 {
		t.Errorf("an empty file has %q", got)
	}
}

// The certificate of the address has its names; without TLS nobody has checked it.
func TestNamesOfTheCertificate(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "curl")
	file := webConfig(t, withTLS) // for tlslift.example
	address := serveWeb(t, file)
	for host, want := range map[string]string{"tlslift.example": "200", "evil.example": "421"} {
		out, err := exec.CommandContext(t.Context(), "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: "+host,
			"--insecure", "--connect-to", "tlslift.example:443:"+address,
			"https://tlslift.example/metrics").CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: got %s, %v, want %s", host, out, err, want)
		}
	}
	config, err := webconfig.Open(file, webconfig.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Host = "tlslift.example"
	w := httptest.NewRecorder()
	NewHandler(Options{Metrics: stub("metrics"), Ready: ready, WebConfig: config}).ServeHTTP(w, r)
	if w.Code != http.StatusMisdirectedRequest {
		t.Errorf("without TLS: got %d", w.Code)
	}
}

// What a browser sends after DNS rebinding, over a real connection.
func TestRebindingWithCurl(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "curl")
	address := serveWeb(t, "")
	for url, want := range map[string]string{
		"http://evil.example/metrics": "421", "http://localhost/metrics": "200", "http://evil.example/readyz": "200",
	} {
		out, err := exec.CommandContext(t.Context(), "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*",
			"--connect-to", "::"+address, url).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: got %s, %v, want %s", url, out, err, want)
		}
	}
}

// The public address has no names to keep: a client may know it by any.
func TestPublicAddressTakesGETOnly(t *testing.T) {
	t.Parallel()
	h := NewPublicHandler(stub("page"))
	for method, want := range map[string]int{
		"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405, "PUT": 405, "OPTIONS": 405, "PROPFIND": 405,
	} {
		resp := ask(h, method, "/api/v1/clients/a")
		if allow := resp.Header.Get("Allow"); resp.StatusCode != want || want == 405 && allow != "GET, HEAD" {
			t.Errorf("%s: got %d, Allow %q", method, resp.StatusCode, allow)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", method, resp.Header)
		}
	}
}
