// Package devicetest tests a device: it opens listeners for a while, the device is pointed
// at them, and each press of its button is one try. What the tries have shown becomes a
// report: what the device can do, what tlslift will do with it, and what to configure.
//
// It opens no connection. Mails are thrown away, and passwords are neither shown nor kept.
// Only clients of the client networks are served, as in service.
package devicetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/checkclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/plan"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/admission"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/signin"
	"github.com/tlslift/tlslift/proxy/sockets"
)

// Limits of a test.
const (
	DefaultTimeout = 15 * time.Minute
	MaxDevices     = 16
	maxConns       = 64
	maxConnsClient = 8
	maxRejected    = 16 // that are reported
	// connectionTime bounds one connection, and sayTime each thing that it waits for.
	connectionTime = 5 * time.Minute
	sayTime        = 30 * time.Second
	// helloTime is how long a listener that begins with TLS waits for it.
	helloTime = 8 * time.Second
	// earlierTime is how long a connection waits for the end of an earlier one.
	earlierTime = 3 * time.Second
)

// Options are those of a test. Fields without a documented zero value are required.
type Options struct {
	Settings *settings.Config
	Policy   *m365.Policy
	CA       *localca.CA
	// Listen are the listeners to open; none means the configured ones, and what they lack.
	Listen []listener.URL
	// Client is the only one that is tested; the zero value means all.
	Client netip.Addr
	// Devices is after how many devices the test ends; zero means one.
	Devices int
	// Timeout bounds the test; zero means DefaultTimeout.
	Timeout time.Duration
	// Page is where the page for a phone is served; empty means that there is none.
	Page string
	// Machine is the machine that the program runs on.
	Machine checkclient.Machine
	// Open opens a listener; nil means sockets.Open.
	Open sockets.Opener
	// Notes gets what is found as it is found.
	Notes io.Writer

	// Of tests: a CA that was made before, and a time in the place of helloTime.
	foreign func() (*localca.CA, error)
	hello   time.Duration
}

// A tester runs one test.
type tester struct {
	Options
	clients   *clientfile.Table
	admission *admission.Admission
	foreignCA func() (*localca.CA, error)
	keeper    *signin.Keeper // nil without a sign-in file
	sockets   sockets.Set
	pages     *page

	conns  sync.WaitGroup
	enough chan struct{} // closed when enough is known

	mu       sync.Mutex // guards what follows, and what is written to Notes
	devices  []*device
	rejected map[netip.Addr]bool // that were reported
	ended    bool
}

// Run runs a test until enough is known, its time is over, or ctx is done. The error is one
// of the settings or of the listeners.
func Run(ctx context.Context, o Options) (*Report, error) {
	t := &tester{Options: o, enough: make(chan struct{}), rejected: map[netip.Addr]bool{}}
	t.Devices = min(max(t.Devices, 1), MaxDevices)
	if t.Timeout <= 0 {
		t.Timeout = DefaultTimeout
	}
	if err := t.prepare(); err != nil {
		return nil, err
	}
	foreign, forget := foreignCA()
	defer forget()
	if t.foreignCA = foreign; t.foreign != nil {
		t.foreignCA = t.foreign
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	notes, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	defer t.sockets.Close()
	if err := t.openPage(ctx); err != nil {
		return nil, err
	}
	t.introduce(notes)
	var accepting sync.WaitGroup
	serving, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	for _, s := range t.sockets {
		accepting.Go(func() { t.accept(serving, s) })
	}
	select {
	case <-ctx.Done():
	case <-t.enough:
	}
	t.mu.Lock()
	t.ended = true // what is cut off now shows nothing
	t.mu.Unlock()
	cut()
	t.sockets.Close()
	accepting.Wait()
	t.conns.Wait()
	t.pages.close()
	return t.report(), nil
}

// prepare reads what the settings name.
func (t *tester) prepare() error {
	var err error
	if t.clients, err = t.Settings.ClientTable(); err != nil {
		return err
	}
	if t.Settings.SignInFile != "" {
		file, err := t.Settings.SignIn(t.clients)
		if err != nil {
			return err
		}
		t.keeper = signin.New(file)
	}
	t.admission = admission.New(admission.Config{
		Nets: t.Settings.ClientNets, Max: maxConns, MaxPerClient: maxConnsClient, GroupBits: int(t.Settings.ClientIPv6Prefix),
	})
	return nil
}

// accept takes the connections of a listener.
func (t *tester) accept(ctx context.Context, s sockets.Socket) {
	for {
		conn := t.admission.Accept(ctx, s.Listener, s.URL.String())
		if conn == nil {
			return
		}
		t.conns.Go(func() {
			defer t.admission.Closed()
			defer conn.Close()
			t.serve(ctx, s.URL, conn)
		})
	}
}

// serve serves one connection, which is one try of its device.
func (t *tester) serve(ctx context.Context, u listener.URL, conn net.Conn) {
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return
	}
	addr := remote.Addr().Unmap().WithZone("")
	ctx, cancel := context.WithTimeout(ctx, connectionTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	place, err := t.admission.Enter(admission.Client{Addr: addr}, func(error) { cancel() })
	if err != nil {
		t.reject(addr, asReason(err))
		return
	}
	defer place.Leave()
	d := t.deviceAt(addr)
	if d == nil {
		return
	}
	c := connection{tester: t, device: d, url: u, Conn: relay.NewConn(conn)}
	defer c.Release()
	c.try = plan.Try{Variant: t.nextVariant(ctx, d), Listener: u.String()}
	c.talk(ctx)
	t.take(d, c.try)
	if c.lingers {
		c.Linger()
	}
}

// nextVariant returns how a device is served next. What depends on how an earlier connection
// ends waits for that, though not for long: the device may have more of them.
func (t *tester) nextVariant(ctx context.Context, d *device) plan.Variant {
	ctx, cancel := context.WithTimeout(ctx, earlierTime)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	for d.open > 0 && ctx.Err() == nil {
		fewer := d.fewer
		t.mu.Unlock()
		select {
		case <-fewer:
		case <-ctx.Done():
		}
		t.mu.Lock()
	}
	d.open++
	return d.plan.Variant()
}

// reject reports a client that may not connect, once for each of the first few.
func (t *tester) reject(addr netip.Addr, why record.Reason) {
	if t.Client.IsValid() && addr != t.Client {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if why == record.ReasonClientNotAllowed && !t.ended && !t.rejected[addr] && len(t.rejected) < maxRejected {
		t.rejected[addr] = true
		t.say("%s may not connect: it is in no network of %sCLIENT_NETS.", addr, settings.Prefix)
	}
}

// deviceAt returns the device at an address; nil if it is not to be tested.
func (t *tester) deviceAt(addr netip.Addr) *device {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.devices {
		if d.addr == addr {
			return d
		}
	}
	if t.ended || t.Client.IsValid() && addr != t.Client || len(t.devices) == MaxDevices {
		return nil
	}
	if len(t.devices) == 0 {
		t.conns.Go(t.makeKeys)
	}
	options := t.clients.Lookup(addr)
	d := &device{addr: addr, options: options, plan: plan.New(options), fewer: make(chan struct{})}
	t.devices = append(t.devices, d)
	return d
}

// makeKeys makes what takes long, so that no device has to wait for it.
func (t *tester) makeKeys() {
	host := t.Policy.Mail().SMTP.Host
	_, _ = t.CA.Leaf(host, nil, localca.Profile{Bits: 1024}) // a try that needs it reports what is wrong
	if ca, err := t.foreignCA(); err == nil {
		_, _ = ca.Leaf(host, nil, localca.Profile{})
	}
}

// take takes in what a connection has shown, and says what comes next.
func (t *tester) take(d *device, try plan.Try) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d.open--
	close(d.fewer)
	d.fewer = make(chan struct{})
	if t.ended {
		return
	}
	d.take(try)
	for _, line := range d.news() {
		t.say("%s", line)
	}
	finished := 0
	for _, d := range t.devices {
		if d.plan.Done() {
			finished++
		}
	}
	if finished >= t.Devices {
		t.ended = true
		close(t.enough)
	}
}

// say writes a line. The caller holds mu.
func (t *tester) say(format string, args ...any) {
	_, _ = fmt.Fprintf(t.Notes, format+"\n", args...) // a reader that is gone is noticed at the end
}

// asReason returns the reason of an error; empty if it has none.
func asReason(err error) record.Reason {
	var f *record.Failure
	if errors.As(err, &f) {
		return f.Reason
	}
	return ""
}

// server returns what ends the TLS of one try: it knows no session, so that the device
// looks at the certificate each time.
func (t *tester) server(foreign bool) (*clienttls.Server, error) {
	ca := t.CA
	if foreign {
		var err error
		if ca, err = t.foreignCA(); err != nil {
			return nil, err
		}
	}
	return clienttls.New(clienttls.Config{
		CA: ca, Rotation: clientfile.CA(t.Settings.CARotation), Tickets: noTickets{}, DHBits: int(t.Settings.DHBits),
		KeyType: clientfile.KeyType(t.Settings.LeafKeyType), Timeout: time.Duration(t.Settings.HandshakeTimeout),
	}), nil
}
