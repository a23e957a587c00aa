package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// freshHost is only in the list that the web service has.
const freshHost = "fresh.microsoft.com"

// A webService stands for Microsoft's, with a list of one host more than what
// is built in.
type webService struct {
	address  string
	asked    atomic.Int32
	released chan struct{} // the list is answered when it is closed
}

func startWebService(t *testing.T, p *pki) *webService {
	t.Helper()
	certFile, keyFile, _ := p.leaf(false, func(c *x509.Certificate) { c.DNSNames = []string{"endpoints.office.com"} })
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	w := &webService{released: make(chan struct{})}
	list := listWith(t, freshHost, "*.evil.example")
	mux := http.NewServeMux()
	mux.HandleFunc("/version/Worldwide", func(rw http.ResponseWriter, _ *http.Request) {
		w.asked.Add(1)
		_, _ = io.WriteString(rw, `{"instance":"Worldwide","latest":"2026112400"}`)
	})
	mux.HandleFunc("/endpoints/Worldwide", func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		select {
		case <-w.released:
			_, _ = rw.Write(list)
		case <-r.Context().Done():
		}
	})
	server := httptest.NewUnstartedServer(mux)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	w.address = server.Listener.Addr().String()
	return w
}

// listWith is the built-in list in the web service's form, with a row more.
func listWith(t *testing.T, hosts ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "proxy", "m365", "m365.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Instances map[string]struct{ Rows []map[string]any }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	rows := []map[string]any{{"id": 900, "serviceArea": "Common", "urls": hosts, "tcpPorts": "443", "required": true}}
	for _, r := range file.Instances["worldwide"].Rows {
		if r["id"] != nil {
			rows = append(rows, map[string]any{"id": r["id"], "serviceArea": r["area"], "urls": r["hosts"], "ips": r["ips"], "tcpPorts": r["ports"],
				"required": true})
		}
	}
	list, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// awaitMetric waits until /metrics has a line.
func (l *tlslift) awaitMetric(t *testing.T, line string) {
	t.Helper()
	for deadline := time.Now().Add(testenv.Patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if len(l.metric(t, line)) == 1 {
			return
		}
	}
	t.Fatalf("no metric %s:\n%s", line, l.log())
}

// kill ends the program as a power cut does.
func (l *tlslift) kill() {
	l.stopOnce.Do(func() {
		_ = l.cmd.Process.Kill()
		<-l.readToEnd
		_ = l.cmd.Wait() // the signal
	})
}

// endpoints runs the command that says what is allowed, with the settings of
// l, and returns what it prints.
func (l *tlslift) endpoints(t *testing.T, args ...string) (string, error) {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, append([]string{"endpoints"}, args...)...)
	cmd.Env = l.cmd.Env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A new list of Microsoft's is in force without a restart, and after one.
func TestNewListOfEndpoints(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	web := startWebService(t, p)
	n := startNginx(t, p, modernTLS, false, func(c *x509.Certificate) { c.DNSNames = []string{freshHost, host} })
	settings := []string{
		"TLSLIFT_M365_REFRESH=true", "TLSLIFT_STATE_DIR=" + filepath.Join(t.TempDir(), "state"),
		"TLSLIFT_CONNECT_TO=" + fmt.Sprintf("endpoints.office.com:443=%s,%s:443=%s,%s:443=%s", web.address, freshHost, n.address, host,
			n.address),
	}
	roots := n.rootFile()
	get := func(l *tlslift) (string, error) {
		return run(t, "", "curl", "-sS", "-i", "--proxy", "http://"+l.proxy, "--cacert", roots, "https://"+freshHost+"/")
	}

	l := start(t, n.address, p.pem, settings...)
	if out, err := get(l); err == nil || !strings.Contains(out, "403") {
		t.Errorf("the built-in list: want 403, got %v:\n%s", err, out)
	}
	if out, err := l.endpoints(t, freshHost+":443"); err == nil || !strings.Contains(out, "is not allowed") {
		t.Errorf("tlslift endpoints says %v:\n%s", err, out)
	}
	close(web.released)
	l.awaitMetric(t, `tlslift_endpoints_refreshes_total{result="updated"} 1`)
	wantFresh := func(l *tlslift) {
		t.Helper()
		if out, err := get(l); err != nil || !strings.Contains(out, "hello from nginx") {
			t.Errorf("the new list: got %v:\n%s", err, out)
		}
		if out, err := l.endpoints(t, freshHost+":443"); err != nil || !strings.Contains(out, "row 900, Common") {
			t.Errorf("tlslift endpoints says %v:\n%s", err, out)
		}
		if out, err := l.endpoints(t); err != nil || !strings.Contains(out, "Microsoft 365 (worldwide): version 2026112400, checked ") {
			t.Errorf("tlslift endpoints says %v:\n%.500s", err, out)
		}
	}
	wantFresh(l)
	for _, want := range []string{
		`"msg":"a list of Microsoft 365 endpoints is in force","version":"2026112400"`, `"added":"` + freshHost + `:443"`,
		`"host":"*.evil.example"`, `"domains":"` + freshHost + `"`, // the CA is older
	} {
		if strings.Count(l.log(), want) != 1 {
			t.Errorf("the log has not one line with %s:\n%s", want, l.log())
		}
	}
	l.kill()

	l = start(t, n.address, p.pem, settings...)
	wantFresh(l)
	l.stop()
	if asked := web.asked.Load(); asked != 2 {
		t.Errorf("the service was asked %d times, want 2", asked)
	}
	if strings.Contains(l.log(), `"host":"*.evil.example"`) {
		t.Errorf("a saved list is complained of again:\n%s", l.log())
	}
}

// A service that cannot be verified changes nothing, and is complained of.
func TestListOfAnImpostor(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	web := startWebService(t, newPKI(t))
	n := startNginx(t, p, modernTLS, false, nil)
	l := start(t, n.address, p.pem, "TLSLIFT_M365_REFRESH=true",
		"TLSLIFT_CONNECT_TO="+fmt.Sprintf("endpoints.office.com:443=%s,%s:443=%s", web.address, host, n.address))
	l.awaitMetric(t, `tlslift_endpoints_refreshes_total{result="failed"} 1`)
	out, err := run(t, "", "curl", "-sS", "--proxy", "http://"+l.proxy, "--cacert", n.rootFile(), "https://"+host+"/")
	if err != nil || !strings.Contains(out, "hello from nginx") {
		t.Errorf("got %v:\n%s", err, out)
	}
	// The built-in list was published on 2026-08-14.
	if len(l.metric(t, "tlslift_endpoints_checked_timestamp_seconds 1.7866656e+09")) != 1 {
		t.Errorf("the list counts as checked: %v", l.metric(t, "tlslift_endpoints_checked"))
	}
	if !strings.Contains(l.log(), "the list of Microsoft 365 endpoints cannot be asked for") || web.asked.Load() != 0 {
		t.Errorf("asked %d times, log:\n%s", web.asked.Load(), l.log())
	}
}
