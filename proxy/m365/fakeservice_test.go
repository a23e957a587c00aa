package m365_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/m365"
)

// A memory is a Store that keeps its text in memory.
type memory struct {
	mu   sync.Mutex
	text []byte
	err  error // of Save
}

func (m *memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.text == nil {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(m.text), nil
}

func (m *memory) Save(text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.text = bytes.Clone(text)
	}
	return m.err
}

// A service is a fake of the web service.
type service struct {
	mu      sync.Mutex
	version string
	list    string
	handler http.HandlerFunc // answers instead, unless nil
	asked   []string         // the URLs
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.String())
	version, list, handler := s.version, s.list, s.handler
	s.mu.Unlock()
	switch {
	case handler != nil:
		handler(w, r)
	case strings.HasPrefix(r.URL.Path, "/version/Worldwide"):
		fmt.Fprintf(w, `{"instance":"Worldwide","latest":%q}`, version)
	case strings.HasPrefix(r.URL.Path, "/endpoints/Worldwide"):
		_, _ = io.WriteString(w, list)
	default:
		http.NotFound(w, r)
	}
}

// set changes what the service answers.
func (s *service) set(version, list string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.list = version, list
}

// urls returns what was asked since the last call.
func (s *service) urls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.asked
	s.asked = nil
	return all
}

// RoundTrip answers without a network, so that time can be made to pass.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || r.URL.Host != "endpoints.office.com" {
		return nil, fmt.Errorf("asked %s", r.URL)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

// client returns an HTTP client that reaches the service by TLS, whatever the
// host that it asks.
func (s *service) client(t *testing.T, trusted bool) *http.Client {
	t.Helper()
	server := httptest.NewTLSServer(s)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(server.Close)
	client := server.Client()
	transport := client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server.Listener.Addr().String())
	}
	transport.TLSClientConfig.ServerName = "example.com" // httptest's certificate
	if !trusted {
		transport.TLSClientConfig.RootCAs = nil
	}
	return client
}

// A user puts lists into force, unless they contain "bad".
type user struct {
	mu      sync.Mutex
	inForce string // version and list
}

func (u *user) accept(version string, list []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if bytes.Contains(list, []byte("bad")) {
		return errors.New("the list is bad")
	}
	u.inForce = version + " " + string(list)
	return nil
}

func (u *user) list() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.inForce
}

// A run is a Refresher that runs.
type run struct {
	*user
	log     bytes.Buffer // read it after stop
	results chan m365.RefreshResult
	stop    func() // returns when the Refresher has
}

func start(t *testing.T, cfg m365.RefreshConfig) *run {
	t.Helper()
	r := &run{user: &user{}, results: make(chan m365.RefreshResult, 1000)}
	cfg.Accept = r.accept
	cfg.Report = func(result m365.RefreshResult) { r.results <- result }
	cfg.Log = slog.New(slog.NewTextHandler(&r.log, nil))
	refresher, err := m365.NewRefresher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	refresher.Load()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); refresher.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

// onADay runs a test in a bubble in which 2026-11-24 begins: the service has no
// versions of the time at which bubbles begin.
func onADay(t *testing.T, test func(*testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)))
		test(t)
	})
}
