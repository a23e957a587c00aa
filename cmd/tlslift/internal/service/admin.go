package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/metrics/statuspage"
)

// An adminServer is the server of the admin address.
type adminServer struct {
	cfg    *settings.Config
	log    *slog.Logger
	server *http.Server
	// listener is nil when there is no admin address.
	listener net.Listener
}

func newAdminServer(cfg *settings.Config, log *slog.Logger, o admin.Options) *adminServer {
	o.Name, o.WebConfigFile, o.Changes = cfg.AdminListen.Host(), cfg.AdminWebConfig, statuspage.ClientsPath
	return &adminServer{cfg: cfg, log: log, server: admin.NewServer(admin.NewHandler(o))}
}

func (a *adminServer) listen(ctx context.Context) error {
	if a.cfg.AdminListen == "" {
		return nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", string(a.cfg.AdminListen))
	if err != nil {
		return listenError("ADMIN_LISTEN", string(a.cfg.AdminListen), err)
	}
	a.listener = ln
	return nil
}

// url returns "" if there is no admin address.
func (a *adminServer) url() string {
	if a.listener == nil {
		return ""
	}
	client := adminclient.Client{Address: settings.Address(a.listener.Addr().String()), WebConfigFile: a.cfg.AdminWebConfig}
	url, _ := client.URL() // what is wrong with the file was found when the settings were checked
	return url
}

// serve returns when the server is closed. If the server fails instead, it calls
// failed: without the admin address nobody would notice later failures.
func (a *adminServer) serve(failed func()) error {
	if a.listener == nil {
		return nil
	}
	err := admin.Serve(a.listener, a.server, a.cfg.AdminWebConfig, a.log)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	failed()
	return fmt.Errorf("%sADMIN_LISTEN: serving %s: %w", settings.Prefix, a.listener.Addr(), err)
}

// close ends the connections too: those that are left are scrapes.
func (a *adminServer) close() {
	_ = a.server.Close()
	if a.listener != nil {
		_ = a.listener.Close()
	}
}
