package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/proxy"
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
	host = "smtp.office365.com"
	// patient is the usual timeout, and short the one for those who wait for it.
	patient, short = testenv.Patience, 2 * time.Second
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shared has what is slow to make and never changes.
var shared struct {
	fake *fakem365.Service
	ca   *localca.CA
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run runs the tests. After all faults, nothing is left over.
func run(m *testing.M) int {
	testenv.Parallel(8)
	if runtime.GOOS == "windows" {
		return 0 // it ends connections in other ways
	}
	dir, err := os.MkdirTemp("", "tlslift-faults-test-")
	check(err)
	defer os.RemoveAll(dir)
	allowed, err := m365.New(m365.Worldwide, nil)
	check(err)
	shared.ca, err = localca.Open(localca.Options{Dir: filepath.Join(dir, "ca"), Permitted: allowed.Domains()})
	check(err)
	shared.fake, err = fakem365.New(fakem365.Options{})
	check(err)
	defer shared.fake.Close()
	before := leftovers{runtime.NumGoroutine(), files()}
	code := m.Run()
	if code == 0 && !before.await() {
		return 1
	}
	return code
}

// check ends everything: there is no test to fail yet.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// leftovers are what must not grow.
type leftovers struct{ goroutines, files int }

// files counts the open files of the process, where that can be told.
func files() int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(all)
}

// await waits until there is no more than before, and reports whether that comes. The pipes
// by which the kernel relays may wait for the garbage collector.
func (l leftovers) await() bool {
	late := time.After(testenv.Patience)
	for runtime.NumGoroutine() > l.goroutines || files() > l.files {
		runtime.GC()
		select {
		case <-late:
			stacks := make([]byte, 1<<16)
			fmt.Printf("%d goroutines, %d before; %d open files, %d before:\n%s\n", runtime.NumGoroutine(), l.goroutines, files(), l.files,
				stacks[:runtime.Stack(stacks, true)])
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

// A world is a client's network, a tlslift, a network, and a destination.
type world struct {
	t       *testing.T
	metrics *metrics.Metrics
	far     *far
	before  *link // between the clients and tlslift
	behind  *link // between tlslift and the destination
	records chan record.Record
	all     []record.Record // that were taken from records
}

// Opened implements proxy.Observer.
func (w *world) Opened(name string) { w.metrics.Opened(name) }

// Closed implements proxy.Observer.
func (w *world) Closed(r *record.Record) {
	w.metrics.Closed(r)
	w.records <- *r
}

// newWorld starts everything, for clients of SMTP or of a web server. Change alters the
// configuration.
func newWorld(t *testing.T, isMail bool, timeout time.Duration, change func(*proxy.Config)) *world {
	t.Helper()
	w := &world{t: t, metrics: metrics.New(metrics.Options{}), records: make(chan record.Record, 100)}
	w.far = newFar(t, isMail)
	w.behind = newLink(t, w.far.address())
	allowed, err := m365.New(m365.Worldwide, testenv.Endpoints(t, host+":443"))
	must(t, err)
	to := w.behind.address()
	cfg := proxy.Config{
		Listeners:  []listener.URL{{Scheme: listener.SchemeTLS, Address: "127.0.0.1:0", To: policy.Destination{Host: host, Port: 443}}},
		ClientNets: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Policy: allowed, CA: shared.ca,
		Upstream:       upstream.Config{Roots: shared.fake.Roots(), ConnectTo: map[string]string{host + ":587": to, host + ":443": to}},
		MaxConnections: 100, MaxConnectionsPerClient: 100,
		HandshakeTimeout: timeout, IdleTimeout: timeout, IMAPIdleTimeout: timeout, DrainTimeout: testenv.Patience,
		Observer: w,
	}
	if isMail {
		cfg.Listeners[0] = listener.URL{Scheme: listener.SchemeSMTP, Address: "127.0.0.1:0", Wait: time.Millisecond}
	}
	if change != nil {
		change(&cfg)
	}
	server, err := proxy.New(cfg)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	must(t, server.Listen(ctx))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	w.before = newLink(t, server.Listeners()[0].Address)
	return w
}

// record waits for the next record.
func (w *world) record() record.Record {
	w.t.Helper()
	select {
	case r := <-w.records:
		w.all = append(w.all, r)
		return r
	case <-time.After(testenv.Patience):
		w.t.Fatal("nothing is recorded")
		return record.Record{}
	}
}

// roots are those that clients trust.
func (w *world) roots() *x509.CertPool {
	roots := shared.fake.Roots().Clone()
	roots.AddCert(shared.ca.Certificate())
	return roots
}

// config is that of a client that has no more than max.
func (w *world) config(max uint16) *tls.Config {
	return &tls.Config{ServerName: host, RootCAs: w.roots(), MinVersion: tls.VersionTLS10, MaxVersion: max}
}

// dial connects to tlslift.
func (w *world) dial() *net.TCPConn {
	w.t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(w.t.Context(), "tcp", w.before.address())
	must(w.t, err)
	must(w.t, conn.SetDeadline(time.Now().Add(testenv.Patience)))
	return conn.(*net.TCPConn)
}

// certificate makes one for the destination.
func certificate(t *testing.T, o fakem365.CertOptions) tls.Certificate {
	t.Helper()
	c, err := shared.fake.Certificate(o)
	must(t, err)
	return c
}
