package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/metrics/webconfig"
)

// An adminServer is the server of the admin address, or that of the public one.
type adminServer struct {
	setting string // of its address, without the prefix
	address settings.Address
	server  *http.Server
	handler http.Handler // of the server, without its limits
	// webConfig is nil for plain HTTP without passwords.
	webConfig     *webconfig.File
	webConfigFile string
	isPublic      bool
	opened        *opened
	// listener is nil when there is no such address.
	listener *countedListener

	isServing, isRetired atomic.Bool
	served               chan struct{} // closed when serve has ended
	retiring             sync.WaitGroup
}

// newServers makes both.
func (s *Service) newServers() error {
	file, err := webconfig.Open(s.cfg.AdminWebConfig, webconfig.Options{IsOpen: admin.IsHealth, Log: s.log})
	if err != nil { // load has found the mistakes, unless the file has just changed
		return fmt.Errorf("%sADMIN_WEB_CONFIG_FILE: %w", settings.Prefix, err)
	}
	metrics.ShowWebConfig(s.metrics, file.Failures)
	handler := admin.NewHandler(admin.Options{
		Metrics: s.metrics.Handler(), Ready: s.ready, Pages: &s.pages.all, Hosts: s.cfg.Hosts(), WebConfig: file,
		Changes: statuspage.ClientsPath,
	})
	s.admin = &adminServer{
		opened: &s.opened, served: make(chan struct{}),
		setting: "ADMIN_LISTEN", address: s.cfg.AdminListen, webConfig: file, webConfigFile: s.cfg.AdminWebConfig,
		server: admin.NewServer(handler), handler: handler,
	}
	s.public = &adminServer{
		opened: &s.opened, served: make(chan struct{}), setting: "PUBLIC_LISTEN", address: s.cfg.PublicListen,
		server: admin.NewServer(admin.NewPublicHandler(&s.pages.public)), isPublic: true,
	}
	return nil
}

func (a *adminServer) listen(ctx context.Context) error {
	if a.address == "" {
		return nil
	}
	ln, err := a.opened.listen(ctx, string(a.address))
	if err != nil {
		return listenError(a.setting, string(a.address), err)
	}
	a.listener = &countedListener{Listener: ln}
	return nil
}

// url returns "" if there is no such address.
func (a *adminServer) url() string {
	if a.listener == nil {
		return ""
	}
	client := adminclient.Client{Address: settings.Address(a.listener.Addr().String()), WebConfigFile: a.webConfigFile}
	url, _ := client.URL() // what is wrong with the file was found when the settings were checked
	return url
}

// urlForDevices returns the URL under which other machines reach the address: with the name
// of this machine if it listens on all addresses; "" if there is no such address.
func (a *adminServer) urlForDevices() string {
	if a.listener == nil {
		return ""
	}
	host, port, err := net.SplitHostPort(a.listener.Addr().String())
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return "http://" + net.JoinHostPort(host, port)
}

// serve returns when the server is closed. If the server fails instead, it calls
// failed: without the admin address nobody would notice later failures.
func (a *adminServer) serve(failed func()) error {
	if a.listener == nil {
		return nil
	}
	defer close(a.served)
	a.isServing.Store(true)
	var err error
	if a.isPublic {
		err = admin.ServePublic(a.listener, a.server)
	} else {
		err = admin.Serve(a.listener, a.server, a.webConfig)
	}
	if errors.Is(err, http.ErrServerClosed) || a.isRetired.Load() {
		return nil
	}
	failed()
	return fmt.Errorf("%s%s: serving %s: %w", settings.Prefix, a.setting, a.listener.Addr(), err)
}

// retireTime is how long answers may take in the end.
const retireTime = time.Second

// retire accepts no more connections, and lets those that were accepted have their answer.
// The Shutdown of net/http drops a request that it has just read.
func (a *adminServer) retire() {
	if a.listener == nil || a.isRetired.Swap(true) {
		return
	}
	_ = a.listener.Close()
	a.server.SetKeepAlivesEnabled(false)
	if !a.isServing.Load() {
		return
	}
	a.retiring.Go(func() {
		timer := time.AfterFunc(retireTime, func() { _ = a.server.Close() })
		defer timer.Stop()
		<-a.served
		a.listener.open.Wait()
	})
}

// close ends the connections too: those that are left are scrapes that take long, and
// questions that wait for an event.
func (a *adminServer) close() {
	a.retire()
	a.retiring.Wait()
	_ = a.server.Close()
}

// A countedListener knows whether connections that it has accepted are open.
type countedListener struct {
	net.Listener

	open sync.WaitGroup
}

// Accept implements net.Listener.
func (l *countedListener) Accept() (net.Conn, error) {
	l.open.Add(1) // before, so that who waits misses none
	conn, err := l.Listener.Accept()
	if err != nil {
		l.open.Done()
		return nil, err
	}
	return &countedConn{Conn: conn, closed: sync.OnceFunc(l.open.Done)}, nil
}

// A countedConn is one of its connections.
type countedConn struct {
	net.Conn

	closed func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
