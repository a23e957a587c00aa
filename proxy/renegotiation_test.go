package proxy_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A lifted client that asks for a renegotiation is refused that, and goes on: at TLS 1.2
// as at TLS 1.0.
func TestRenegotiation(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "tstclnt", "certutil")
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w, root := tls12World(t, false)
			database := "sql:" + t.TempDir()
			run(t, "", "certutil", "-N", "-d", database, "--empty-password")
			run(t, "", "certutil", "-A", "-d", database, "-n", "root", "-t", "C,,", "-i", root)
			request, err := os.Open(testenv.WriteFile(t, "request", []byte(page))) // it does not end after a pipe
			if err != nil {
				t.Fatal(err)
			}
			defer request.Close()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, port, _ := strings.Cut(w.tls, ":")
			cmd := exec.CommandContext(ctx, "tstclnt", "-4", "-h", "127.0.0.1", "-p", port, "-a", host, "-d", database,
				"-V", "tls"+version+":tls"+version, "-c", ":002F", "-r", "1")
			cmd.Stdin = request
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "hello from "+host) {
				t.Errorf("%v, the client says:\n%s", err, out)
			}
			if r := w.expect(record.OutcomeLifted, ""); r.ClientTLS == nil || r.ClientTLS.Version != "TLS "+version {
				t.Errorf("TLS %+v", r.ClientTLS)
			}
		})
	}
}
