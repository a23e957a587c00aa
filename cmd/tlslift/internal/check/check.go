// Package check looks whether a tlslift with these settings can do its work on this machine:
// whether its files are good, its listeners can open, and Microsoft 365 can be reached with
// verified TLS. Each check that is not ok says what to do.
//
// It writes nothing. It connects to the destinations in use and the admin address only,
// and it tries no password: only where sign-in is configured it signs in, as
// tlslift does for its clients.
package check

import (
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"sync"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/endpoints"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/openfiles"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/sockets"
)

const (
	// atOnce is how many checks that wait for others are made at the same time.
	atOnce = 4
	// stepTime is how long one step of a check may take.
	stepTime = 15 * time.Second
	// DefaultTimeout is how long all of them may take.
	DefaultTimeout = 90 * time.Second
)

// A Machine is what the checks ask of the system. OfThis returns that of this machine.
type Machine struct {
	Now func() time.Time
	// OpenFiles returns how many files this process may open; false means any number.
	OpenFiles func() (uint64, bool)
	// Listen opens the socket of a listener.
	Listen func(context.Context, listener.URL) (net.Listener, error)
	// CanMark reports whether connections can have a firewall mark.
	CanMark func(uint32) error
	// Output runs a program of the system, and returns what it writes.
	Output func(ctx context.Context, name string, args ...string) ([]byte, error)
	// Resolver looks names up; nil means the system's.
	Resolver *net.Resolver
	// Addresses returns those of this machine.
	Addresses func() ([]net.Addr, error)
	// PublicRoots are the authorities that everybody trusts.
	PublicRoots func() *x509.CertPool
}

// OfThis returns the machine that the program runs on.
func OfThis() Machine {
	return Machine{
		Now: time.Now, OpenFiles: openfiles.Limit, Listen: sockets.Open, CanMark: origdst.CanMark,
		Output: output, Addresses: net.InterfaceAddrs, PublicRoots: publicRoots,
	}
}

// maxOutput bounds what is read of a program: the firewall rules of a machine may be many.
const maxOutput = 16 << 20

// output runs a program, and returns what it has written to its standard output.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // one of the names in firewall.go
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(out, maxOutput))
	_, _ = io.Copy(io.Discard, out) // so that it can end
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	return text, err
}

// Options say what is checked.
type Options struct {
	// Load reads the settings.
	Load func() (*settings.Config, error)
	// Machine is where.
	Machine Machine
	// Timeout is how long all checks may take; zero means DefaultTimeout.
	Timeout time.Duration
	// ByRoot means that root has started the check, which may go on as the service.
	ByRoot bool
	// Rules returns the firewall rules; nil means that programs of the system list them.
	Rules func(context.Context) (string, error)
	// Admin returns who asks the tlslift that runs; nil means adminclient.New.
	Admin func(*settings.Config) *adminclient.Client
}

// A checker makes the checks.
type checker struct {
	Options

	cfg     *settings.Config
	list    *endpoints.List
	running running
	targets []target
	public  func() *x509.CertPool // the authorities that everybody trusts
	log     *slog.Logger          // for what is logged beside the checks; it is discarded
}

// Run makes all checks, calls each with every result in their order, and returns them.
func (o Options) Run(ctx context.Context, each func(Result)) Report {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Admin == nil {
		o.Admin = adminclient.New
	}
	if o.Rules == nil {
		o.Rules = o.Machine.rules
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	c := &checker{Options: o, log: slog.New(slog.DiscardHandler), public: sync.OnceValue(o.Machine.PublicRoots)}
	report := Report{Checks: []Result{}}
	add := func(results ...Result) {
		for _, r := range results {
			report.add(r)
			each(r)
		}
	}
	found, usable := c.configuration()
	add(found...)
	if !usable {
		return report
	}
	add(c.askRunning(ctx))
	for _, check := range []func(context.Context) []Result{
		c.listeners, c.mark, c.firewall, c.routing, c.openFiles, c.authority, c.deviceCA, c.endpoints,
	} {
		add(check(ctx)...)
	}
	c.reach(ctx, add)
	return report
}

// reach makes the checks that connect to others.
func (c *checker) reach(ctx context.Context, add func(...Result)) {
	o, err := newOutside(c)
	if err != nil { // the configuration has it
		add(Result{Check: Egress, Status: Skipped, Says: "the settings for outgoing connections have a mistake"})
		return
	}
	var tasks []task
	for _, t := range c.targets {
		tasks = append(tasks, func(ctx context.Context) []Result { return o.probe(ctx, t) })
	}
	signIns, rest := o.signIns()
	inOrder(ctx, tasks, add)
	add(o.clock())
	inOrder(ctx, signIns, add)
	add(rest...)
}

// A task is one or more checks that wait for others.
type task func(context.Context) []Result

// inOrder runs tasks, some at once, and adds their results in their order.
func inOrder(ctx context.Context, tasks []task, add func(...Result)) {
	places := make(chan struct{}, atOnce)
	results := make([]chan []Result, len(tasks))
	var running sync.WaitGroup
	defer running.Wait()
	for i, run := range tasks {
		results[i] = make(chan []Result, 1)
		running.Go(func() {
			places <- struct{}{}
			results[i] <- run(ctx)
			<-places
		})
	}
	for _, r := range results {
		add(<-r...)
	}
}
