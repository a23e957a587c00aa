package devicetest

import (
	"bytes"
	"context"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/checkclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/sockets"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authorities are made once: keys take long.
var authorities = sync.OnceValues(func() (all [2]*localca.CA, err error) {
	dir, err := os.MkdirTemp("", "devicetest")
	if err != nil {
		return all, err
	}
	for i, name := range []string{"own", "foreign"} {
		if all[i], err = localca.Open(localca.Options{Dir: filepath.Join(dir, name)}); err != nil {
			return all, err
		}
	}
	return all, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if all, err := authorities(); err == nil {
		_ = os.RemoveAll(filepath.Dir(filepath.Dir(all[0].CertificateFile())))
	}
	os.Exit(code)
}

// A world is a test of devices that runs.
type world struct {
	ca        *localca.CA
	addresses map[listener.Scheme]string
	notes     *notes
	stop      context.CancelFunc
	result    chan *Report
	options   Options
}

// notes are what is reported while a test runs.
type notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// loaded returns options with settings.
func loaded(t *testing.T, environ map[string]string) Options {
	t.Helper()
	all := map[string]string{
		"HOME": "/x", "TLSLIFT_STATE_DIR": t.TempDir(), "TLSLIFT_ADMIN_LISTEN": "",
		"TLSLIFT_LISTEN": "smtp://127.0.0.1:0,smtps://127.0.0.1:0,imap://127.0.0.1:0,pop3s://127.0.0.1:0,proxy://127.0.0.1:0",
	}
	for name, value := range environ {
		all[name] = value
	}
	cfg, err := settings.Source{Environ: all}.Load()
	must(t, err)
	policy, err := m365.New(cfg.Instance, cfg.Destinations)
	must(t, err)
	cas, err := authorities()
	must(t, err)
	return Options{
		Settings: cfg, Policy: policy, CA: cas[0], Listen: cfg.Listen, Notes: &notes{}, Timeout: time.Minute,
		Machine: checkclient.Machine{
			Hostname:  func() (string, error) { return "gateway", nil },
			Addresses: func() ([]net.Addr, error) { return nil, nil },
		},
		foreign: func() (*localca.CA, error) { return cas[1], nil },
	}
}

// start starts a test.
func start(t *testing.T, environ map[string]string, change ...func(*Options)) *world {
	t.Helper()
	w := &world{addresses: map[listener.Scheme]string{}, result: make(chan *Report, 1), options: loaded(t, environ)}
	for _, f := range change {
		f(&w.options)
	}
	w.ca, w.notes = w.options.CA, w.options.Notes.(*notes)
	opened := make(chan struct{}, 20)
	w.options.Open = func(ctx context.Context, u listener.URL) (net.Listener, error) {
		ln, err := sockets.Open(ctx, u)
		if err == nil {
			w.addresses[u.Scheme] = ln.Addr().String()
		}
		opened <- struct{}{}
		return ln, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.stop = cancel
	t.Cleanup(cancel)
	go func() {
		report, err := Run(ctx, w.options)
		if err != nil {
			t.Error(err)
		}
		w.result <- report
	}()
	for range w.options.Listen {
		<-opened
	}
	return w
}

// end waits for the report of a test with one device.
func (w *world) end(t *testing.T) Device {
	t.Helper()
	r := <-w.result
	if r == nil || len(r.Devices) != 1 {
		t.Fatalf("got %+v after\n%s", r, w.notes)
	}
	return r.Devices[0]
}

// roots trusts the CA of tlslift.
func (w *world) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(w.ca.Certificate())
	return pool
}

// text returns what the fields say.
func text(all []checkclient.Field) string {
	var b strings.Builder
	for _, f := range all {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	return b.String()
}

// wantIn fails unless a text has all the others.
func wantIn(t *testing.T, in string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(in, want) {
			t.Errorf("%q is missing in\n%s", want, in)
		}
	}
}
