package model

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
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

// slots is how many connections there are at a time, each of its own client and to its
// own destination.
const slots = 3

// patience bounds every wait; a history that runs into it has failed.
const patience = 20 * time.Second

const (
	decoyHost = "decoy.contoso.com"
	decoyPort = 443
)

func hostOf(slot int) string { return fmt.Sprintf("w%d.contoso.com", slot) }

// What is slow to make and never changes.
type shared struct {
	fake  *fakem365.Service
	ca    *localca.CA
	roots *x509.CertPool // of clients
	good  *tls.Config
	bad   map[deed]*tls.Config
}

func newShared(t *testing.T) *shared {
	s := &shared{fake: testenv.FakeM365(t), bad: map[deed]*tls.Config{}}
	var hosts []string
	for i := range slots {
		hosts = append(hosts, hostOf(i))
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := newPolicy([slots]bool{true, true, true})
	must(err)
	s.ca, err = localca.Open(localca.Options{Dir: filepath.Join(t.TempDir(), "ca"), Permitted: p.Domains()})
	must(err)
	config := func(o fakem365.CertOptions) *tls.Config {
		c, err := s.fake.Certificate(o)
		must(err)
		return &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
	}
	s.good = config(fakem365.CertOptions{Names: hosts})
	s.bad[wrongName] = config(fakem365.CertOptions{Names: []string{"www.fabrikam.com"}})
	s.bad[expired] = config(fakem365.CertOptions{Names: hosts, NotAfter: time.Now().Add(-time.Hour)})
	s.bad[untrusted] = config(fakem365.CertOptions{Names: hosts, SelfSigned: true})
	s.bad[closesEarly] = s.good
	for _, c := range s.bad {
		c.SessionTicketsDisabled = true // who resumes sees no certificate
	}
	s.roots = s.fake.Roots().Clone()
	s.roots.AddCert(s.ca.Certificate())
	return s
}

// newPolicy allows the destinations of some slots.
func newPolicy(allowed [slots]bool) (*m365.Policy, error) {
	extra := make([]policy.Endpoint, 0, slots*len(ports))
	for i, is := range allowed {
		for _, port := range ports {
			if !is {
				continue
			}
			e, err := policy.ParseEndpoint(fmt.Sprintf("%s:%d", hostOf(i), port))
			if err != nil {
				return nil, err
			}
			extra = append(extra, e)
		}
	}
	return m365.New(m365.Worldwide, extra)
}

// A slot is a client and its destination.
type slot struct {
	number  int
	at      [kindsOfListener]string // addresses of the listeners, by entry
	ready   chan arrival            // destinations whose TLS is complete
	records chan record.Record
	opens   int   // connections so far
	pair    *pair // the connection that is open; nil if none is
	allowed bool  // by the policy
	named   bool  // in the clients file

	mu       sync.Mutex
	does     deed   // of the destination
	farHost  string // the server name that it has to get
	fars     int    // connections that it got
	farOpens int    // as opens
	farConns []net.Conn
}

// kindsOfListener is the number of entries.
const kindsOfListener = 9

// A world is a tlslift, its clients and its destinations.
type world struct {
	*shared

	server    *proxy.Server
	metrics   *metrics.Metrics
	inventory *inventory.Inventory
	slots     [slots]*slot
	decoy     string
	limit     int  // of connections
	isStopped bool // it drains, or has ended
	cuts      bool // a drain cuts off at once
	stop      context.CancelFunc
	served    chan error
	closers   []io.Closer
	running   sync.WaitGroup
	fatal     func(format string, args ...any)

	mu         sync.Mutex
	accepted   *sync.Cond
	opened     int
	closed     int
	lines      int // of the log
	all        []record.Record
	conns      []net.Conn
	violations []string
}

func newWorld(s *shared, limit int, cuts bool, fatal func(string, ...any)) *world {
	w := &world{
		shared: s, limit: limit, cuts: cuts, served: make(chan error, 1), fatal: fatal,
		metrics: metrics.New(metrics.Options{}), inventory: inventory.New(inventory.Options{}),
	}
	w.accepted = sync.NewCond(&w.mu)
	w.decoy = w.serveDecoy()
	connect := map[string]string{fmt.Sprintf("%s:%d", decoyHost, decoyPort): w.decoy}
	for i := range w.slots {
		one := &slot{number: i, ready: make(chan arrival, 100), records: make(chan record.Record, 100), allowed: true}
		w.slots[i] = one
		for _, port := range ports {
			connect[fmt.Sprintf("%s:%d", hostOf(i), port)] = w.serveFar(one, port)
		}
	}
	w.start(connect)
	return w
}

func (w *world) must(err error) {
	if err != nil {
		w.fatal("%v", err)
	}
}

// start starts tlslift.
func (w *world) start(connect map[string]string) {
	allowed, err := newPolicy([slots]bool{true, true, true})
	w.must(err)
	drain := patience
	if w.cuts {
		drain = 0
	}
	w.server, err = proxy.New(proxy.Config{
		Listeners: w.listeners(), Policy: allowed, CA: w.ca,
		ClientNets:     []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.9.0.0/16")},
		Upstream:       upstream.Config{Roots: w.fake.Roots(), ConnectTo: connect},
		MaxConnections: w.limit, MaxConnectionsPerClient: w.limit,
		HandshakeTimeout: patience, IdleTimeout: patience, IMAPIdleTimeout: patience, DrainTimeout: drain,
		Observer: w, Log: slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	w.must(err)
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.must(w.server.Listen(ctx))
	for i, u := range w.server.Listeners() {
		w.slots[i/kindsOfListener].at[i%kindsOfListener] = u.Address
	}
	go func() { w.served <- w.server.Serve(ctx) }()
}

// listeners are those of all slots.
func (w *world) listeners() []listener.URL {
	var urls []listener.URL
	for i := range w.slots {
		for _, e := range entries {
			u := listener.URL{Scheme: e.scheme, Address: "127.0.0.1:0", Plaintext: e.plaintext}
			if e.startsTLS() {
				u.Wait = time.Millisecond
			}
			if !e.choosesHost() {
				u.To = policy.Destination{Host: hostOf(i), Port: e.port}
			}
			urls = append(urls, u)
		}
	}
	return urls
}

// Opened implements proxy.Observer.
func (w *world) Opened(name string) {
	w.metrics.Opened(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened++
	w.accepted.Broadcast()
}

// awaitAccepted waits until so many connections have been accepted.
func (w *world) awaitAccepted(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.opened < n {
		w.accepted.Wait()
	}
}

// Closed implements proxy.Observer.
func (w *world) Closed(r *record.Record) {
	w.metrics.Closed(r)
	w.inventory.Closed(r)
	w.mu.Lock()
	w.closed++
	w.all = append(w.all, *r)
	w.mu.Unlock()
	a := r.Client.Unmap().As4()
	if int(a[2]) >= slots {
		w.violate("a client %s is recorded", r.Client)
		return
	}
	w.slots[a[2]].records <- *r
}

// Write takes in a line of the log.
func (w *world) Write(p []byte) (int, error) {
	var line struct {
		Message string `json:"msg"`
	}
	if err := json.Unmarshal(p, &line); err != nil || line.Message != "connection" {
		w.violate("the log says %s", p)
		return len(p), nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines++
	return len(p), nil
}

// track closes a connection at the end.
func (w *world) track(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
}

// setClients puts the clients file in force that names some clients.
func (w *world) setClients() {
	text := "clients:\n"
	for _, s := range w.slots {
		if s.named {
			text += fmt.Sprintf("  - name: printer-%d\n    network: [127.1.%d.0/24, 10.1.%d.0/24]\n", s.number, s.number, s.number)
		}
	}
	if text == "clients:\n" {
		w.server.SetClients(nil)
		return
	}
	clients, err := clientfile.Parse([]byte(text))
	w.must(err)
	w.server.SetClients(clients)
}

// setPolicy puts the policy in force that allows some destinations.
func (w *world) setPolicy() {
	var allowed [slots]bool
	for i, s := range w.slots {
		allowed[i] = s.allowed
	}
	p, err := newPolicy(allowed)
	w.must(err)
	w.server.SetPolicy(p)
}

// end ends everything. It may be called more than once.
func (w *world) end() {
	w.stop()
	if err := <-w.served; err != nil {
		w.violate("serving ended with %v", err)
	}
	w.served <- nil
	for _, c := range w.closers {
		_ = c.Close()
	}
	w.mu.Lock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.running.Wait()
	for _, s := range w.slots {
		for done := false; !done; {
			select {
			case a := <-s.ready:
				a.end.close()
			default:
				done = true
			}
		}
	}
}
