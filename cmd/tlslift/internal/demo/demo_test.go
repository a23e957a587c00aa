package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// The demo ends without an error, and shows the clients from the real metrics.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Run(t.Context(), &out, false); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"Refused: protocol version not supported.",
		"Refused: handshake failure.",
		"tlslift speaks that format itself",
		"Refused: 421 4.7.66 ",
		"The printer spoke TLS 1.0 to tlslift, and the mail arrived over TLS 1.3.",
		"Refused: 535 5.7.139 ",
		"knows a login and a password of 12 characters",
		"The client spoke TLS 1.0",
		"The client spoke TLS 1.2, TLS_RSA_WITH_AES_128_CBC_SHA",
		"tlslift decrypted nothing",
		"Reason: destination_not_allowed",
		"TLSLIFT_DESTINATIONS",
		"passed", "lifted", "refused",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the story lacks %q:\n%s", want, out.String())
		}
	}
}

// A step that differs from the story fails the demo.
func TestDemoFailsWhenAStepDoes(t *testing.T) {
	t.Parallel()
	d, err := newDemo(t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer d.fake.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended, err := d.start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	d.web.Close() // nobody is there to refuse or answer
	if err := (story{d}).play(ctx); err == nil || !strings.Contains(err.Error(), "step 1") {
		t.Errorf("got %v, want step 1 to fail", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// --keep goes on, with commands to try, until it is stopped.
func TestDemoKeep(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, w, true)
		_ = w.Close()
	}()
	var printed bytes.Buffer
	for buf := make([]byte, 4096); !strings.Contains(printed.String(), "/metrics"); {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after:\n%s", err, printed.String())
		}
		printed.Write(buf[:n])
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	tryCommands(t, printed.String())
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, want := range []string{"curl --cacert", "openssl s_client"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("no %s to try:\n%s", want, printed.String())
		}
	}
}

// tryCommands opens the status page that was printed, and sends the mail: its client is an
// old one, whatever TLS the program would speak by itself.
func tryCommands(t *testing.T, printed string) {
	t.Helper()
	url := regexp.MustCompile(`The status page is (http://127\.0\.0\.1:\d+/)\.`).FindStringSubmatch(printed)
	if url == nil {
		t.Fatalf("no status page in:\n%s", printed)
	}
	if body := fetch(t, url[1]); !strings.Contains(body, `href="/clients/127.0.0.1"`) || !strings.Contains(body, "destination_not_allowed") {
		t.Errorf("the status page lacks the client:\n%s", body)
	}
	var before statuspage.Connections
	if err := json.Unmarshal([]byte(fetch(t, url[1]+"api/v1/connections?limit=0")), &before); err != nil {
		t.Fatal(err)
	}
	swaks := regexp.MustCompile(`swaks --server .*`).FindString(printed)
	testenv.Need(t, "swaks")
	out, err := exec.CommandContext(t.Context(), "sh", "-c", swaks).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "TLSv1:") {
		t.Errorf("%s: %v\n%s", swaks, err, out)
	}
	last := fetch(t, fmt.Sprintf("%sapi/v1/connections?after=%d&wait=30s", url[1], before.Last))
	if !strings.Contains(last, `"outcome":"lifted"`) || !strings.Contains(last, `"client_tls":"TLS 1.0 `) {
		t.Errorf("the mail was not lifted: %s", last)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() // only read from
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
