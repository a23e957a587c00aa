package checkclient

import (
	"net/netip"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/listener"
)

// PanelsOf returns what to type on a client with an address and options, for some
// listeners, and which CA it has to trust.
func PanelsOf(cfg *settings.Config, m Machine, addr netip.Addr, o clientfile.Options, listeners []listener.URL) ([]Panel, string, error) {
	table, err := cfg.ClientTable()
	if err != nil {
		return nil, "", err
	}
	with := *cfg
	with.Listen = listeners
	s := &subject{cfg: &with, machine: m, name: o.Name, addr: addr, options: o}
	s.readSignIn(table, &Report{})
	if where, err := adminclient.New(cfg).URL(); err == nil && cfg.AdminListen != "" {
		s.caAddress = where + "/ca"
	}
	return s.panels(), s.certificate(), nil
}

// OptionsText says which options of the clients file a client has; nothing if it is not in
// the file.
func OptionsText(o clientfile.Options) string { return options(o) }
