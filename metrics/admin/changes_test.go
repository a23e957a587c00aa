package admin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

const changes = "/api/v1/clients/"

// Only this machine, and who has signed in, can change something, and no page of another
// web site.
func TestWhoMayChange(t *testing.T) {
	t.Parallel()
	password := webConfig(t, withUser(t, "admin", "secret"))
	tlsOnly := webConfig(t, withTLS)
	for what, tc := range map[string]struct {
		method, path  string
		local, remote string
		host          string
		header        [2]string
		file          string
		status        int
	}{
		"here":                      {local: "127.0.0.1", remote: "127.0.0.1", status: 200},
		"here over IPv6":            {local: "::1", remote: "::1", host: "[::1]:9465", status: 200},
		"here, at its own address":  {local: "10.0.0.5", remote: "10.0.0.5", host: "10.0.0.5:9465", status: 200},
		"by the name":               {local: "10.0.0.5", remote: "10.0.0.5", host: "lift.example.com:9465", status: 200},
		"a page of ours":            {local: "127.0.0.1", remote: "127.0.0.1", header: [2]string{"Sec-Fetch-Site", "same-origin"}, status: 200},
		"another machine":           {local: "10.0.0.5", remote: "10.0.0.6", host: "10.0.0.5:9465", status: 403},
		"routed to loopback":        {local: "127.0.0.1", remote: "10.0.0.6", status: 403},
		"with TLS alone":            {local: "10.0.0.5", remote: "10.0.0.6", host: "10.0.0.5:9465", file: tlsOnly, status: 403},
		"with a password":           {local: "10.0.0.5", remote: "10.0.0.6", host: "10.0.0.5:9465", file: password, status: 200},
		"another origin":            {local: "127.0.0.1", remote: "127.0.0.1", header: [2]string{"Origin", "http://evil.example"}, status: 403},
		"another port":              {local: "127.0.0.1", remote: "127.0.0.1", header: [2]string{"Origin", "http://127.0.0.1:80"}, status: 403},
		"no origin":                 {local: "127.0.0.1", remote: "127.0.0.1", header: [2]string{"Origin", "null"}, status: 403},
		"another site":              {local: "127.0.0.1", remote: "127.0.0.1", header: [2]string{"Sec-Fetch-Site", "cross-site"}, status: 403},
		"other origin of this site": {local: "127.0.0.1", remote: "127.0.0.1", header: [2]string{"Sec-Fetch-Site", "same-site"}, status: 403},
		"other origin, and password": {local: "10.0.0.5", remote: "10.0.0.6", header: [2]string{"Origin", "http://evil.example"},
			file: password, status: 403},
		"DNS rebinding":              {local: "10.0.0.5", remote: "10.0.0.5", host: "evil.example:9465", status: 421},
		"rebinding, with a password": {local: "10.0.0.5", remote: "10.0.0.6", host: "evil.example:9465", file: password, status: 421},
		"a form":                     {method: "POST", local: "127.0.0.1", remote: "127.0.0.1", status: 405},
		"a preflight":                {method: "OPTIONS", local: "127.0.0.1", remote: "127.0.0.1", status: 405},
		"another path":               {path: "/metrics", local: "127.0.0.1", remote: "127.0.0.1", status: 405},
		"all of them":                {path: "/api/v1/clients", local: "127.0.0.1", remote: "127.0.0.1", status: 405},
	} {
		o := Options{
			Metrics: stub("metrics"), Ready: ready, Pages: stub("pages"), Changes: changes, Hosts: []string{"Lift.example.com"},
			WebConfig: openWeb(t, tc.file),
		}
		local := &net.TCPAddr{IP: net.ParseIP(tc.local), Port: 9465}
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local),
			either(tc.method, "DELETE"), either(tc.path, changes+"a"), nil)
		r.RemoteAddr = net.JoinHostPort(tc.remote, "5000")
		r.Host = either(tc.host, "127.0.0.1:9465")
		if tc.header[0] != "" {
			r.Header.Set(tc.header[0], tc.header[1])
		}
		w := httptest.NewRecorder()
		NewHandler(o).ServeHTTP(w, r)
		if w.Code != tc.status || w.Header().Get("Access-Control-Allow-Origin") != "" ||
			w.Code == 403 && !strings.Contains(w.Body.String(), `{"error":"`) {
			t.Errorf("%s: got %d %s, want %d", what, w.Code, w.Body, tc.status)
		}
	}
}

func either(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// The server itself asks for the password before anything is changed.
func TestPasswordBeforeAChange(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "curl")
	address := serveWeb(t, webConfig(t, withUser(t, "admin", "secret")))
	for user, want := range map[string]string{"admin:wrong": "401", "admin:secret": "404"} { // it has no pages
		out, err := exec.CommandContext(t.Context(), "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "DELETE", "-u", user,
			"http://"+address+changes+"a").CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: got %s, %v, want %s", user, out, err, want)
		}
	}
}
