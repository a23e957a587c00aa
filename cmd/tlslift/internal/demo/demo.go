// Package demo shows on one machine what tlslift does: it runs tlslift in front of
// a fake Microsoft 365, and clients of several ages against both.
//
// It uses no network but loopback, no settings and no privileges, and leaves
// nothing behind.
package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/signin"
	"github.com/tlslift/tlslift/proxy/upstream"
)

const (
	demoHost = "outlook.office365.com"
	demoURL  = "https://" + demoHost + "/"

	demoMailHost = "smtp.office365.com"
	demoMailbox  = "scanner@contoso.com"
	demoPassword = "for the fake server only"
	// demoTimeout is above all that the story can take.
	demoTimeout = 20 * time.Second
)

// Run starts the servers, plays the story, and takes all down again. With keep it
// leaves the servers running until ctx is done.
func Run(ctx context.Context, out io.Writer, keep bool) error {
	dir, err := os.MkdirTemp("", "tlslift-demo-")
	if err != nil {
		return fmt.Errorf("making a directory for the demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d, err := newDemo(dir, out)
	if err != nil {
		return err
	}
	defer d.fake.Close()
	defer d.closeTokens()
	ctx, stop := context.WithCancel(ctx)
	ended, err := d.start(ctx)
	if err != nil {
		stop()
		return err
	}
	err = story{d}.play(ctx)
	if keep && err == nil {
		err = d.keep(ctx)
	}
	stop()
	return errors.Join(err, <-ended)
}

// A demo is the stage: a fake Microsoft 365 and tlslift in front.
type demo struct {
	out     io.Writer
	dir     string
	fake    *fakem365.Service
	web     *fakem365.Server
	mail    *fakem365.MailServer
	entra   *fakeentra.Server
	login   *fakem365.Server // of entra
	keeper  *signin.Keeper
	tokens  *entra.Source
	file    *signin.Config // which the keeper gets in the course of the story
	ca      *localca.CA
	metrics *metrics.Metrics
	clients *inventory.Inventory
	server  *proxy.Server
	closed  chan struct{} // one for each connection that tlslift has recorded
	proxy   string        // host:port of tlslift as an HTTP proxy
	fixed   string        // host:port of tlslift's listener for demoHost alone
	smtp    string        // host:port of tlslift's listener for mail
	admin   string        // host:port of the status page and /metrics
}

func newDemo(dir string, out io.Writer) (*demo, error) {
	d := &demo{
		out: out, dir: dir, metrics: metrics.New(metrics.Options{}), clients: inventory.New(inventory.Options{}),
		closed: make(chan struct{}, 1000),
	}
	allowed, err := m365.New(m365.Worldwide, nil)
	if err != nil {
		return nil, err
	}
	if d.ca, err = localca.Open(localca.Options{Dir: filepath.Join(dir, "ca"), Permitted: allowed.Domains()}); err != nil {
		return nil, err
	}
	if d.fake, err = fakem365.New(fakem365.Options{}); err != nil {
		return nil, err
	}
	if err := d.stage(allowed); err != nil {
		d.fake.Close()
		return nil, err
	}
	return d, nil
}

// stage makes the servers.
func (d *demo) stage(allowed *m365.Policy) (err error) {
	if d.web, err = d.fake.ServeHTTPS(fakem365.TLSOptions{}); err != nil {
		return err
	}
	if err = d.stageEntra(); err != nil {
		return err
	}
	if d.mail, err = d.fake.ServeSMTP(fakem365.MailOptions{Accounts: accounts(), Tokens: d.entra}); err != nil {
		return err
	}
	d.server, err = proxy.New(d.config(allowed))
	return err
}

func (d *demo) config(allowed *m365.Policy) proxy.Config {
	const anyPort = "127.0.0.1:0"
	return proxy.Config{
		Listeners: []listener.URL{
			{Scheme: listener.SchemeProxy, Address: anyPort},
			{Scheme: listener.SchemeTLS, Address: anyPort, To: policy.Destination{Host: demoHost, Port: 443}},
			{Scheme: listener.SchemeSMTP, Address: anyPort},
		},
		ClientNets: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Policy:     allowed,
		Upstream: upstream.Config{
			Roots:     d.fake.Roots(),
			ConnectTo: map[string]string{demoHost + ":443": d.web.Addr(), demoMailHost + ":587": d.mail.Addr()},
		},
		CA:             d.ca,
		MaxConnections: 100, MaxConnectionsPerClient: 100,
		HandshakeTimeout: 5 * time.Second, IdleTimeout: time.Minute, DrainTimeout: time.Second,
		SignIn: d.keeper, Tokens: d.tokens,
		Observer: d,
	}
}

// Opened and Closed implement proxy.Observer: they count connections in the metrics and in
// the list of clients, and let the story continue when a connection is counted.
func (d *demo) Opened(listener string) { d.metrics.Opened(listener) }

// Closed counts the connection.
func (d *demo) Closed(r *record.Record) {
	d.metrics.Closed(r)
	d.clients.Closed(r)
	select {
	case d.closed <- struct{}{}:
	default: // nobody waits any more: it was left running
	}
}

// client trusts the fake server's root and tlslift's CA, like a device on which
// that was imported, and speaks TLS up to max.
func (d *demo) client(max uint16, suites ...uint16) *fakem365.Client {
	roots := d.fake.Roots().Clone()
	roots.AddCert(d.ca.Certificate())
	return &fakem365.Client{Roots: roots, MinVersion: tls.VersionTLS10, MaxVersion: max, CipherSuites: suites}
}

// recorded waits until tlslift has recorded a connection.
func (d *demo) recorded(ctx context.Context) error {
	select {
	case <-d.closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start opens the listeners and serves until ctx is done; then the channel
// yields the end of it.
func (d *demo) start(ctx context.Context) (<-chan error, error) {
	if err := d.server.Listen(ctx); err != nil {
		return nil, err
	}
	listeners := d.server.Listeners()
	d.proxy, d.fixed, d.smtp = listeners[0].Address, listeners[1].Address, listeners[2].Address
	pages, err := statuspage.New(statuspage.Options{
		Inventory: d.clients, Listeners: d.server.Listeners, Version: "demo",
		Authority: statuspage.Authority{Certificate: d.ca.Certificate(), Fingerprint: d.ca.Fingerprint()},
	})
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the status page: %w", err)
	}
	d.admin = ln.Addr().String()
	server := admin.NewServer(admin.NewHandler(admin.Options{
		Metrics: d.metrics.Handler(), Pages: pages, Ready: func() error { return nil },
	}))
	adminEnded := make(chan error, 1)
	go func() { adminEnded <- server.Serve(ln) }()
	ended := make(chan error, 1)
	go func() {
		err := d.server.Serve(ctx)
		_ = server.Close()
		if adminErr := <-adminEnded; !errors.Is(adminErr, http.ErrServerClosed) {
			err = errors.Join(err, adminErr)
		}
		ended <- err
	}()
	return ended, nil
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// keep prints commands to try and waits until ctx is done.
func (d *demo) keep(ctx context.Context) error {
	rootFile := filepath.Join(d.dir, "both.pem")
	ca, err := os.ReadFile(d.ca.CertificateFile())
	if err == nil {
		err = os.WriteFile(rootFile, append(ca, d.fake.RootPEM()...), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing the certificates to trust: %w", err)
	}
	d.say("\nIt goes on until Ctrl-C. The status page is http://%s/. Try, from another terminal:\n", d.admin)
	for _, command := range []string{
		fmt.Sprintf("curl --cacert %s --tls-max 1.0 --tlsv1.0 --ciphers DEFAULT@SECLEVEL=0 -x http://%s %s", rootFile, d.proxy, demoURL),
		fmt.Sprintf("curl --cacert %s -x http://%s %s", rootFile, d.proxy, demoURL),
		fmt.Sprintf("openssl s_client -CAfile %s -proxy %s -connect %s:443 -tls1 -cipher ALL:@SECLEVEL=0", rootFile, d.proxy, demoHost),
		fmt.Sprintf("openssl s_client -CAfile %s -connect %s -servername %s -tls1_2 -cipher AES128-SHA", rootFile, d.fixed, demoHost),
		fmt.Sprintf("swaks --server %s --tls --tls-protocol tlsv1 --tls-cipher ALL:@SECLEVEL=0 "+
			"--tls-ca-path %s --to you@contoso.com --from %s --auth LOGIN "+
			"--auth-user %s --auth-password '%s'", d.smtp, rootFile, demoOAuthMailbox, demoLogin, demoLoginPassword),
		fmt.Sprintf("openssl s_client -CAfile %s -connect %s -starttls smtp -verify_hostname %s -tls1 -cipher ALL:@SECLEVEL=0",
			rootFile, d.smtp, demoMailHost),
		fmt.Sprintf("curl -s http://%s/metrics | grep ^tlslift_client", d.admin),
	} {
		d.say("  %s", command)
	}
	<-ctx.Done()
	return nil
}
