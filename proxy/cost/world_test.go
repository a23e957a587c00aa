package cost

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A world is a tlslift as it is in the program, with metrics, inventory and log, and its
// peers.
type world struct {
	*peers
	t         testing.TB
	metrics   *metrics.Metrics
	inventory *inventory.Inventory
	address   string
	closed    chan struct{}
	connected int // how many connections there were
}

// newWorld starts one, until the end of the test, for so many clients behind a balancer;
// zero means that there is none.
func newWorld(t testing.TB, clients int) *world {
	t.Helper()
	key := testenv.RSAKey(t, 0)
	destination := testenv.SelfSigned(t, testenv.Template(host, host), key)
	allowed, err := m365.New(m365.Worldwide, nil)
	must(t, err)
	ca, err := localca.Open(localca.Options{Dir: filepath.Join(t.TempDir(), "ca"), Permitted: allowed.Domains()})
	must(t, err)
	w := &world{
		t: t, metrics: metrics.New(metrics.Options{MaxClients: clients}), inventory: inventory.New(inventory.Options{MaxClients: clients}),
		closed: make(chan struct{}, 1<<16),
		peers: startPeers(t, setting{
			Certificate: testenv.CertificatePEM(destination.Leaf), Key: testenv.KeyPEM(t, key),
			Root: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate().Raw}),
		}),
	}
	roots := x509.NewCertPool()
	roots.AddCert(destination.Leaf)
	config := proxy.Config{
		Listeners: []listener.URL{{Scheme: listener.SchemeTLS, Address: "127.0.0.1:0", To: policy.Destination{Host: host, Port: 443}}},
		Policy:    allowed, CA: ca,
		ClientNets:     []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")},
		Upstream:       upstream.Config{Roots: roots, ConnectTo: map[string]string{host + ":443": w.destination}},
		MaxConnections: 1000, MaxConnectionsPerClient: 100,
		HandshakeTimeout: testenv.Patience, IdleTimeout: testenv.Patience, DrainTimeout: testenv.Patience,
		Observer: w, Log: slog.New(slog.NewJSONHandler(nowhere{}, nil)),
	}
	if clients > 0 {
		config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	w.start(config)
	return w
}

func (w *world) start(config proxy.Config) {
	w.t.Helper()
	server, err := proxy.New(config)
	must(w.t, err)
	ctx, stop := context.WithCancel(context.Background())
	must(w.t, server.Listen(ctx))
	w.address = server.Listeners()[0].Address
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("serving ended with %v", err)
		}
	})
}

// nowhere is where the log goes: its lines are made, which is a part of the cost.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// Opened implements proxy.Observer.
func (w *world) Opened(name string) { w.metrics.Opened(name) }

// Closed implements proxy.Observer.
func (w *world) Closed(r *record.Record) {
	w.metrics.Closed(r)
	w.inventory.Closed(r)
	if r.Reason != "" {
		w.t.Errorf("%s: %v", r.Reason, r.Err)
	}
	w.closed <- struct{}{}
}

// connect makes n connections, and returns when tlslift is done with them.
func (w *world) connect(k kind, n, clients int) {
	w.t.Helper()
	w.do(w.t, task{Do: "connect", Kind: k, Address: w.address, N: n, Clients: clients, First: w.connected})
	w.connected += n
	for range n {
		<-w.closed
	}
}
