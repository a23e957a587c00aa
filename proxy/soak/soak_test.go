package soak

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	usual       = 1000 // connections
	maxFailures = 40   // after so many there is no use in going on
)

// setting returns a number of the environment.
func setting(t *testing.T, name string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

// knownWrong are the ends of connections that the program does not judge as the ledger
// does, each with what is still to be mended. Their number is logged.
var knownWrong = []struct {
	name string
	is   func(p *plan, c *clientFacts, t truth, r *record.Record) bool
}{}

// A worker has one connection at a time.
type worker struct {
	number   int
	world    *world
	far      *farEnd
	roots    *x509.CertPool
	sessions map[kind]tls.ClientSessionCache
	ledger   *ledger
}

// Of many mixed connections, the log, the metrics and the inventory say what the far
// ends know: each mail that was lost is red, and nothing that went well is.
func TestMixedConnections(t *testing.T) {
	s := newSoak(t)
	count := int64(setting(t, "TLSLIFT_TEST_CONNECTIONS", usual))
	s.run(func(n int64) bool { return n <= count })
	s.end(t)
}

// A soak is a world with its workers.
type soak struct {
	world      *world
	far        [workers]*farEnd
	workers    [workers]*worker
	ledger     *ledger
	seed       uint64
	start      time.Time
	next       atomic.Int64 // number of a connection
	goroutines int          // before the start of tlslift
	files      int          // before the first connection
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8")
	}
	s := &soak{seed: setting(t, "TLSLIFT_TEST_SEED", 12), ledger: newLedger(), start: time.Now()}
	var to [workers]string
	for i := range workers {
		s.far[i] = newFarEnd(t)
		to[i] = s.far[i].listener.Addr().String()
	}
	s.goroutines = runtime.NumGoroutine()
	s.world = newWorld(t, to)
	for _, f := range s.far {
		f.serve(t, s.world)
	}
	roots := s.world.fake.Roots().Clone()
	roots.AddCert(s.world.ca.Certificate())
	for i := range workers {
		one := &worker{
			number: i, world: s.world, far: s.far[i], roots: roots, ledger: s.ledger, sessions: map[kind]tls.ClientSessionCache{},
		}
		for _, k := range []kind{tls10, tls11, tls12RSA, tls12, tls13} {
			one.sessions[k] = tls.NewLRUClientSessionCache(0)
		}
		s.workers[i] = one
	}
	s.files = openFiles(t)
	return s
}

// run has connections while wanted says so of the next one's number.
func (s *soak) run(wanted func(n int64) bool) {
	var running sync.WaitGroup
	for _, w := range s.workers {
		running.Go(func() {
			for n := s.next.Add(1); wanted(n) && !s.ledger.isHopeless(); n = s.next.Add(1) {
				w.carry(draw(s.seed, int(n)))
			}
		})
	}
	running.Wait()
}

// end compares the totals, and looks that nothing is left over.
func (s *soak) end(t *testing.T) {
	t.Helper()
	s.ledger.compare(t, s.world)
	awaitFiles(t, s.files)
	s.world.stop()
	for _, f := range s.far {
		f.stop()
	}
	testenv.AwaitGoroutines(t, s.goroutines)
	t.Logf("seed %d, %.0f s\n%s", s.seed, time.Since(s.start).Seconds(), s.ledger)
}

// openFiles counts the open files of the process.
func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}

// awaitFiles waits until there are at most n open files.
func awaitFiles(t *testing.T, n int) {
	t.Helper()
	deadline := time.NewTimer(testenv.Patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for openFiles(t) > n {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%d open files, %d before", openFiles(t), n)
		}
	}
}

// source is the address that a client connects from.
func (c *client) source() string {
	if c.plan.kind == healthCheck || c.plan.entry.scheme == listener.SchemeRedirect {
		return fmt.Sprintf("127.9.%d.1", c.number)
	}
	return clientAddr(c.number, c.plan.number%clientsOfWorker)
}

// address is the address that tlslift has to take for the client's.
func (c *client) address() string {
	if c.plan.kind != healthCheck && c.plan.entry.scheme == listener.SchemeRedirect {
		return fmt.Sprintf("10.1.%d.%d", c.number, c.plan.number%clientsOfWorker+1)
	}
	return c.source()
}

// key is the client in the inventory and in labels.
func (c *client) key() string {
	if c.source() == clientAddr(c.number, clientsOfWorker-1) {
		return fmt.Sprintf("printer-%d", c.number)
	}
	return c.address()
}

// carry has one connection, and compares what was said of it.
func (w *worker) carry(p *plan) {
	c := &client{worker: w, plan: p}
	w.far.begin(p)
	reported := w.world.expect(c.address())
	c.run()
	var got report
	select {
	case got = <-reported:
	case <-time.After(2 * testenv.Patience):
		w.fail(p, "nothing was said of it")
		return
	}
	far := w.far.known()
	truth := judge(p, &c.facts, &far, got.record.Outcome == record.OutcomePassed)
	err := truth.check(&got.record)
	if o := got.record.Outcome; err == nil && c.facts.begun && c.facts.lifted == (o == record.OutcomePassed) {
		err = fmt.Errorf("its TLS ended at tlslift: %v, and the record is %s", c.facts.lifted, o)
	}
	known := ""
	for _, k := range knownWrong {
		if err != nil && k.is(p, &c.facts, truth, &got.record) {
			known, err = k.name, nil
		}
	}
	if err != nil {
		w.fail(p, fmt.Sprintf("%v\n  client %+v\n  destination %+v", err, c.facts, far))
	}
	w.ledger.add(c, truth, &got.record, known)
	w.compare(c, got)
}

func (w *worker) fail(p *plan, text string) {
	w.ledger.failures.Add(1)
	w.world.t.Errorf("%s: %s", p, text)
}

// compare compares the log and the inventory with the record.
func (w *worker) compare(c *client, got report) {
	r, line := got.record, got.line
	want := logLine{r.Level().String(), "connection", c.address(), r.ClientName, string(r.Outcome), string(r.Reason), string(r.Rule)}
	if line != want {
		w.fail(c.plan, fmt.Sprintf("the log says %+v, want %+v", line, want))
	}
	known, is := w.world.inventory.Client(c.key())
	if c.plan.kind == healthCheck {
		if is {
			w.fail(c.plan, "a health check is a client")
		}
		return
	}
	last := w.world.inventory.Recent(c.key(), 0, 1)
	if !is || len(last) != 1 || last[0].Outcome != r.Outcome || last[0].Reason != r.Reason || last[0].Rule != r.Rule ||
		!last[0].Start.Equal(r.Start) {
		w.fail(c.plan, fmt.Sprintf("the inventory's last connection is %+v", last))
		return
	}
	w.compareTimes(c, &r, &known)
}

// compareTimes compares when the client last succeeded and failed: it has had no other
// connection since.
func (w *worker) compareTimes(c *client, r *record.Record, known *inventory.Client) {
	end := r.Start.Add(r.Duration)
	switch {
	case r.Failing():
		if known.Failure == nil || known.Failure.Reason != r.Reason || !known.Failure.At.Equal(end) || known.LastGood.After(r.Start) {
			w.fail(c.plan, fmt.Sprintf("%s is no failure in the inventory: %+v", r.Reason, known))
		}
	case r.Reason == "":
		if !known.LastGood.Equal(end) {
			w.fail(c.plan, "it is no success in the inventory")
		}
	case known.LastGood.After(r.Start):
		w.fail(c.plan, fmt.Sprintf("%s is a success in the inventory", r.Reason))
	}
	if (r.Accepted > 0) != known.LastAccepted.Equal(end) {
		w.fail(c.plan, fmt.Sprintf("%d accepted mails, the last at %v", r.Accepted, known.LastAccepted))
	}
}
