package soak

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/upstream"
)

const (
	// workers is how many connections there are at a time, each of its own client
	// and to its own destination.
	workers = 12
	// short is the timeout of the tlslift for those who wait for it.
	short = time.Second
)

// clientsOfWorker is how many addresses one worker connects from, at most 254.
var clientsOfWorker = 4

// ofGroup is how many more clients are kept than there are: all are of one group of
// addresses, which gets a small share.
const ofGroup = 100

// A world is a tlslift with usual timeouts, one with short timeouts, and what both
// report to.
type world struct {
	t         *testing.T
	fake      *fakem365.Service
	ca        *localca.CA
	metrics   *metrics.Metrics
	inventory *inventory.Inventory
	at        [2]map[string][workers]string // addresses by entry; of the usual one first
	dead      string                        // an address that refuses connections
	stops     []func()                      // end what was started; may be called more than once
	good      *tls.Config                   // of all destinations
	bad       map[deed]*tls.Config

	mu      sync.Mutex
	waiting map[string]chan report // by the client's address
	records map[string]record.Record
	open    int // connections that Opened has told of, and Closed has not
}

// A report is what tlslift says of one connection.
type report struct {
	record record.Record
	line   logLine
}

// A logLine has the fields of a log line that are compared.
type logLine struct {
	Level   string `json:"level"`
	Message string `json:"msg"`
	Client  string `json:"client"`
	Name    string `json:"client_name"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
	Rule    string `json:"rule"`
}

// hostOf is the destination of a worker.
func hostOf(worker int) string { return fmt.Sprintf("w%d.office365.com", worker) }

// pickyHost is the name of the destination that refuses modern hellos. It is a name of
// its own, since tlslift remembers who refused which hello.
func pickyHost(worker int) string { return fmt.Sprintf("p%d.office365.com", worker) }

const deadHost = "dead.office365.com"

// newWorld starts both. Destinations of a worker are reached at to.
func newWorld(t *testing.T, to [workers]string) *world {
	t.Helper()
	kept := ofGroup * clientsOfWorker * workers
	w := &world{
		t: t, fake: testenv.FakeM365(t), dead: testenv.RefusingAddress(t),
		inventory: inventory.New(inventory.Options{MaxClients: kept}),
		metrics:   metrics.New(metrics.Options{MaxClients: kept}),
		waiting:   map[string]chan report{}, records: map[string]record.Record{}, bad: map[deed]*tls.Config{},
	}
	var extra []policy.Endpoint
	connect := map[string]string{}
	for _, port := range []string{":110", ":143", ":443", ":465", ":587", ":993", ":995"} {
		for i := range workers {
			connect[hostOf(i)+port], connect[pickyHost(i)+port] = to[i], to[i]
		}
		connect[deadHost+port] = w.dead
	}
	for name := range connect {
		e, err := policy.ParseEndpoint(name)
		must(t, err)
		extra = append(extra, e)
	}
	allowed, err := m365.New(m365.Worldwide, extra)
	must(t, err)
	w.ca, err = localca.Open(localca.Options{Dir: filepath.Join(t.TempDir(), "ca"), Permitted: allowed.Domains()})
	must(t, err)
	w.certificates()
	for i := range w.at {
		w.at[i] = map[string][workers]string{}
		w.start(i, allowed, connect)
	}
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// certificates makes those of the destinations.
func (w *world) certificates() {
	names := []string{"office365.com", "*.office365.com"}
	config := func(o fakem365.CertOptions) *tls.Config {
		c, err := w.fake.Certificate(o)
		must(w.t, err)
		return &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
	}
	w.good = config(fakem365.CertOptions{Names: names})
	w.bad[wrongName] = config(fakem365.CertOptions{Names: []string{"www.contoso.com"}})
	w.bad[expired] = config(fakem365.CertOptions{Names: names, NotAfter: time.Now().Add(-time.Hour)})
	w.bad[untrusted] = config(fakem365.CertOptions{Names: names, SelfSigned: true})
	for _, c := range w.bad {
		c.SessionTicketsDisabled = true // who resumes sees no certificate
	}
}

// start starts one tlslift, with listeners of all workers.
func (w *world) start(which int, allowed *m365.Policy, connect map[string]string) {
	w.t.Helper()
	var urls []listener.URL
	for i := range entries {
		for worker := range workers {
			e := &entries[i]
			u := listener.URL{Scheme: e.scheme, Address: "127.0.0.1:0", Plaintext: e.plaintext}
			if e.scheme.Mail() != "" && !e.scheme.ImplicitTLS() {
				u.Wait = time.Millisecond
			}
			if e.scheme != listener.SchemeProxy && !e.bySNI {
				u.To = policy.Destination{Host: hostOf(worker), Port: e.port}
			}
			urls = append(urls, u)
		}
	}
	timeout := []time.Duration{testenv.Patience, short}[which]
	clients, err := clientfile.Parse([]byte(w.clientsFile()))
	must(w.t, err)
	server, err := proxy.New(proxy.Config{
		Listeners: urls, Policy: allowed, CA: w.ca, Clients: clients,
		ClientNets:     []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.9.0.0/16")},
		Upstream:       upstream.Config{Roots: w.fake.Roots(), ConnectTo: connect},
		MaxConnections: 1000, MaxConnectionsPerClient: 100,
		HandshakeTimeout: timeout, IdleTimeout: timeout, IMAPIdleTimeout: timeout, DrainTimeout: testenv.Patience,
		Observer: w, Log: slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	must(w.t, err)
	ctx, stop := context.WithCancel(context.Background())
	must(w.t, server.Listen(ctx))
	for i, u := range server.Listeners() {
		name := entries[i/workers].name
		addresses := w.at[which][name]
		addresses[i%workers] = u.Address
		w.at[which][name] = addresses
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	w.stops = append(w.stops, sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("serving ended with %v", err)
		}
	}))
	w.t.Cleanup(w.stop)
}

// stop ends both. It may be called more than once.
func (w *world) stop() {
	for _, stop := range w.stops {
		stop()
	}
}

// clientsFile names the last client of each worker.
func (w *world) clientsFile() string {
	text := "clients:\n"
	for i := range workers {
		text += fmt.Sprintf("  - name: printer-%d\n    address: %s\n", i, clientAddr(i, clientsOfWorker-1))
	}
	return text
}

// clientAddr is where a client of a worker connects from.
func clientAddr(worker, n int) string { return fmt.Sprintf("127.1.%d.%d", worker, n+1) }

// Opened implements proxy.Observer.
func (w *world) Opened(name string) {
	w.mu.Lock()
	w.open++
	w.mu.Unlock()
	w.metrics.Opened(name)
}

// Closed implements proxy.Observer.
func (w *world) Closed(r *record.Record) {
	w.metrics.Closed(r)
	w.inventory.Closed(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	w.records[r.Client.Unmap().String()] = *r
}

// Write takes in a line of the log.
func (w *world) Write(p []byte) (int, error) {
	var line logLine
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	if line.Message != "connection" {
		w.t.Errorf("the log says %s", p)
		return len(p), nil
	}
	w.mu.Lock()
	r, known := w.records[line.Client]
	delete(w.records, line.Client)
	to := w.waiting[line.Client]
	delete(w.waiting, line.Client)
	w.mu.Unlock()
	if to == nil || !known {
		w.t.Errorf("a connection that nobody has opened is logged: %s", p)
		return len(p), nil
	}
	to <- report{r, line}
	return len(p), nil
}

// expect returns where the report of the next connection of a client comes.
func (w *world) expect(client string) <-chan report {
	to := make(chan report, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[client] = to
	return to
}

// dial connects to an address from another.
func (w *world) dial(from, to string) *net.TCPConn {
	w.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: testenv.Patience}
	conn, err := d.DialContext(w.t.Context(), "tcp", to)
	if err != nil {
		w.t.Errorf("connecting from %s: %v", from, err)
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(testenv.Patience))
	return conn.(*net.TCPConn)
}
