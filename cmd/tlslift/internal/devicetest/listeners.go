package devicetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/listenerror"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/sockets"
)

// modes are the listeners that devices may need, with their usual ports.
var modes = []struct {
	scheme listener.Scheme
	port   string
}{
	{listener.SchemeSMTP, "587"}, {listener.SchemeSMTPS, "465"}, {listener.SchemeIMAP, "143"}, {listener.SchemeIMAPS, "993"},
	{listener.SchemePOP3, "110"}, {listener.SchemePOP3S, "995"}, {listener.SchemeProxy, "3128"},
}

// urls returns the listeners that are asked for, and those that would be good to have.
func (o *Options) urls() (wanted, more []listener.URL) {
	if len(o.Listen) > 0 {
		return o.Listen, nil
	}
	has, host := map[listener.Scheme]bool{}, ""
	for _, u := range o.Settings.Listen {
		if u.Scheme.Transparent() {
			continue // a firewall leads to it, and not a device's own settings
		}
		if wanted = append(wanted, u); len(wanted) == 1 {
			host, _, _ = net.SplitHostPort(u.Address) // checked before
		}
		has[u.Scheme] = true
	}
	for _, m := range modes {
		if !has[m.scheme] {
			more = append(more, listener.URL{Scheme: m.scheme, Address: net.JoinHostPort(host, m.port)})
		}
	}
	return wanted, more
}

// open opens the listeners. It returns what there is to say of those that it could not open;
// it is an error if that is all that are wanted.
func (t *tester) open(ctx context.Context) (notes []string, err error) {
	open := t.Open
	if open == nil {
		open = sockets.Open
	}
	wanted, more := t.urls()
	var wrong []error
	var lacking []string
	for i, u := range append(wanted, more...) {
		if err := u.Check(t.Policy.Policy); err != nil {
			t.sockets.Close()
			return nil, fmt.Errorf("listener %s: %w", u, err)
		}
		set, err := sockets.OpenAll(ctx, []listener.URL{u}, open)
		switch {
		case err == nil:
			t.sockets = append(t.sockets, set...)
		case i < len(wanted):
			wrong = append(wrong, cannotListen(u, err))
		default:
			lacking = append(lacking, u.String())
		}
	}
	if len(t.sockets) == 0 || len(wanted) > 0 && len(wrong) == len(wanted) { // a device has nothing to be pointed at
		t.sockets.Close()
		return nil, errors.Join(append(wrong, errors.New("no listener could be opened, so nothing can be tested"))...)
	}
	for _, err := range wrong {
		notes = append(notes, err.Error())
	}
	if len(t.Listen) == 0 && slices.ContainsFunc(t.Settings.Listen, func(u listener.URL) bool { return u.Scheme.Transparent() }) {
		notes = append(notes, "Listeners to which a firewall leads are not tested: point the device here by its own settings.")
	}
	if len(lacking) > 0 {
		notes = append(notes, "These could not be opened, and are not tested: "+strings.Join(lacking, ", ")+
			"; --listen opens them at other ports.")
	}
	return notes, nil
}

// cannotListen says what to do about an address.
func cannotListen(u listener.URL, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: another program listens there, most likely the tlslift that runs; stop it while you test (systemctl stop "+
			"tlslift), or test at another port, for example with --listen %s://:2%s, and type that port on the device",
			u, u.Scheme, lastDigits(portOf(u.Address)))
	}
	return fmt.Errorf("%s: cannot listen: %w; %s", u, settings.SystemError(cause(err)), listenerror.Remedy(err))
}

// portOf returns the port of an address.
func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address) // checked before
	return port
}

// lastDigits returns the last three digits of a port: below 2 there is one that everybody may use.
func lastDigits(port string) string { return fmt.Sprintf("%03s", port[max(0, len(port)-3):]) }

// cause returns the error of the system.
func cause(err error) error {
	var of *sockets.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// destination returns where a listener's clients are brought to in service.
func (t *tester) destination(u listener.URL) policy.Destination {
	if protocol := u.Scheme.Mail(); protocol != "" {
		return cmp.Or(u.To, t.Policy.Mail().Of(protocol))
	}
	return u.To
}

// foreignCA returns a function that makes a CA which nobody trusts, at the first call, and
// one that forgets it.
func foreignCA() (open func() (*localca.CA, error), forget func()) {
	dir := ""
	open = sync.OnceValues(func() (*localca.CA, error) {
		var err error
		if dir, err = os.MkdirTemp("", "tlslift-test"); err != nil {
			return nil, err
		}
		return localca.Open(localca.Options{Dir: filepath.Join(dir, "ca")})
	})
	return open, func() {
		if dir != "" {
			_ = os.RemoveAll(dir) // nobody trusts what is in it
		}
	}
}

// openCA opens the CA that clients see in service, or makes it.
func openCA(cfg *settings.Config, allowed *m365.Policy) (*localca.CA, error) {
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("%sSTATE_DIR: %w; run the command as the user of tlslift", settings.Prefix, err)
	}
	ca, err := localca.Open(localca.Options{
		Dir: filepath.Join(cfg.StateDir, "ca"), Permitted: cfg.CADomains(allowed.Policy), CriticalConstraints: bool(cfg.CriticalCA),
		ListURL: cfg.ListURL(),
	})
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w; run the command as the user of tlslift, or as root, which acts as that user", err)
	}
	return ca, err
}

// pageAddress returns where the page is served: where it is asked for, nowhere, or on a free
// port of the first host that is listened on.
func (o *Options) pageAddress(asked string) string {
	switch asked {
	case "off":
		return ""
	case "":
		if wanted, _ := o.urls(); len(wanted) > 0 {
			asked, _, _ = net.SplitHostPort(wanted[0].Address) // checked before
		}
		return net.JoinHostPort(asked, "0")
	}
	return asked
}

// noTickets are keys that seal nothing, and open nothing: no session is resumed.
type noTickets struct{}

// Seal returns bytes that mean nothing.
func (noTickets) Seal([]byte) ([]byte, error) { return []byte(rand.Text()), nil }

// Open returns nil.
func (noTickets) Open([]byte) []byte { return nil }
