package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"

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
	// webConfig is nil for plain HTTP without passwords.
	webConfig     *webconfig.File
	webConfigFile string
	isPublic      bool
	// listener is nil when there is no such address.
	listener net.Listener
}

// newServers makes both.
func (s *Service) newServers(o statuspage.Options) error {
	pages, err := statuspage.New(o)
	if err != nil {
		return err
	}
	forDevices, err := statuspage.NewPublic(o)
	if err != nil {
		return err
	}
	file, err := webconfig.Open(s.cfg.AdminWebConfig, webconfig.Options{IsOpen: admin.IsHealth, Log: s.log})
	if err != nil { // load has found the mistakes, unless the file has just changed
		return fmt.Errorf("%sADMIN_WEB_CONFIG_FILE: %w", settings.Prefix, err)
	}
	metrics.ShowWebConfig(s.metrics, file.Failures)
	s.admin = &adminServer{
		setting: "ADMIN_LISTEN", address: s.cfg.AdminListen, webConfig: file, webConfigFile: s.cfg.AdminWebConfig,
		server: admin.NewServer(admin.NewHandler(admin.Options{
			Metrics: s.metrics.Handler(), Ready: s.ready, Pages: pages, Hosts: s.cfg.Hosts(), WebConfig: file, Changes: statuspage.ClientsPath,
		})),
	}
	s.public = &adminServer{
		setting: "PUBLIC_LISTEN", address: s.cfg.PublicListen, server: admin.NewServer(admin.NewPublicHandler(forDevices)), isPublic: true,
	}
	return nil
}

func (a *adminServer) listen(ctx context.Context) error {
	if a.address == "" {
		return nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", string(a.address))
	if err != nil {
		return listenError(a.setting, string(a.address), err)
	}
	a.listener = ln
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
	var err error
	if a.isPublic {
		err = admin.ServePublic(a.listener, a.server)
	} else {
		err = admin.Serve(a.listener, a.server, a.webConfig)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	failed()
	return fmt.Errorf("%s%s: serving %s: %w", settings.Prefix, a.setting, a.listener.Addr(), err)
}

// close ends the connections too: those that are left are scrapes.
func (a *adminServer) close() {
	_ = a.server.Close()
	if a.listener != nil {
		_ = a.listener.Close()
	}
}
