// Package checkclient says of one client what it speaks, what tlslift does with it, why it
// has failed, and what to type on its panel: from the clients file and the sign-in file,
// and from what a tlslift that runs knows of it.
//
// It asks nobody but the admin address, and shows no password.
package checkclient

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/signin"
)

// Help and Example are those of the command.
const Help = `Says of one client, by its name in the clients file or its address: what it speaks,
what tlslift does with it, why it failed last, and what to type on its panel: the
server, the port, the encryption and the sign-in.

It reads the same settings as serve, and asks the tlslift that listens on
TLSLIFT_ADMIN_LISTEN what it knows of the client. Before the client has connected, the
panel's values are those of all listeners that it could use.

The exit code is 0 also if the client fails. It is 1 for a name that nobody knows; of an
address that nobody knows yet, it says what to type.`

const Example = `  tlslift check client scanner-2nd-floor
  tlslift check client 192.168.20.31 --json`

// A Field is a name and what it is. The names are a public interface, in JSON too.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Panel is what to type on a device for one listener.
type Panel struct {
	Listener string  `json:"listener"`
	Type     []Field `json:"type"`
}

// A Report is what is known of a client.
type Report struct {
	Client  string `json:"client"`
	Address string `json:"address,omitempty"`
	// Connected means that a tlslift that runs has seen it.
	Connected bool    `json:"connected"`
	Note      string  `json:"note,omitempty"` // why less is known than could be
	Speaks    []Field `json:"speaks"`
	Tlslift   []Field `json:"tlslift"` // what tlslift does with it
	Fails     []Field `json:"fails"`   // its last failure
	Panel     []Panel `json:"panel"`
	// CA is which certificate the client has to trust, and where it is.
	CA string `json:"ca"`
}

// note notes why less is known than could be.
func (r *Report) note(err error) {
	if r.Note != "" {
		r.Note += "; "
	}
	r.Note += netname.Text(err.Error(), maxValue)
}

// A Machine is what is asked of the system.
type Machine struct {
	Hostname  func() (string, error)
	Addresses func() ([]net.Addr, error)
}

// OfThis returns the machine that the program runs on.
func OfThis() Machine {
	return Machine{Hostname: os.Hostname, Addresses: net.InterfaceAddrs}
}

// A subject is a client with all that is known of it.
type subject struct {
	cfg       *settings.Config
	machine   Machine
	name      string // in the clients file; empty if it has none
	addr      netip.Addr
	options   clientfile.Options
	seen      *statuspage.Client // nil if no tlslift that runs has seen it
	signsIn   bool               // tlslift signs in for it
	mailbox   *signin.Mailbox    // that it may use without a login; nil if there is none
	caAddress string             // where to fetch the CA
}

// maxKey bounds what a person may ask for.
const maxKey = 256

// Of returns what is known of the client with a name or an address.
func Of(ctx context.Context, cfg *settings.Config, m Machine, key string) (Report, error) {
	table, err := cfg.ClientTable()
	if err != nil {
		return Report{}, err
	}
	s := &subject{cfg: cfg, machine: m}
	s.find(table, key)
	report := Report{Client: netname.Text(key, maxKey), Speaks: []Field{}, Tlslift: []Field{}, Fails: []Field{}, Panel: []Panel{}}
	asked := s.ask(ctx, key)
	if asked != nil {
		if s.name == "" && !s.addr.IsValid() {
			return Report{}, asked // it is neither in the file nor an address
		}
		report.note(asked)
	}
	if s.seen != nil {
		s.find(table, s.seen.Client.Client)
		s.addr, report.Client = s.seen.Address, netname.Text(s.seen.Client.Client, maxKey)
	}
	report.Connected = s.seen != nil
	if s.addr.IsValid() {
		report.Address = netname.Text(s.addr.String(), maxKey) // a zone may be anything
	}
	s.readSignIn(table, &report)
	report.Speaks, report.Tlslift, report.Fails = s.speaks(), s.does(), s.fails()
	report.Panel, report.CA = s.panels(), s.certificate()
	return report, nil
}

// find looks for the client in the clients file.
func (s *subject) find(table *clientfile.Table, key string) {
	if o, addr, found := table.Called(key); found {
		s.name, s.options, s.addr = key, o, addr
		return
	}
	addr, err := netip.ParseAddr(key)
	if err != nil {
		return
	}
	s.addr = addr.Unmap()
	s.options = table.Lookup(s.addr)
	s.name = s.options.Name
}

// ask asks the tlslift that runs. Its error is why nothing is known from there.
func (s *subject) ask(ctx context.Context, key string) error {
	if s.name != "" {
		key = s.name
	}
	admin := adminclient.New(s.cfg)
	var seen statuspage.Client
	err := admin.AskJSON(ctx, adminclient.Question{Path: statuspage.ClientsPath + url.PathEscape(key)}, &seen)
	if err == nil {
		s.seen = &seen
	}
	if where, known := admin.URL(); known == nil && s.cfg.AdminListen != "" {
		s.caAddress = where + "/ca"
	}
	return err
}

// readSignIn reads whether tlslift signs in for the client.
func (s *subject) readSignIn(table *clientfile.Table, report *Report) {
	if s.cfg.SignInFile == "" {
		return
	}
	file, err := s.cfg.SignIn(table)
	if err != nil {
		report.note(err)
		return
	}
	keeper, who := signin.New(file), signin.Client{Addr: s.addr, Name: s.name}
	s.signsIn = keeper.Covers(who, s.isPointed())
	s.mailbox = keeper.Mapped(who)
}

// isPointed reports whether the client's own settings name tlslift: its listener says so.
func (s *subject) isPointed() bool {
	for _, l := range s.listeners() {
		if l.Scheme.Mail() != "" {
			return true
		}
	}
	return false
}
