package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/listenerror"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/origdst"
)

// listeners opens each listener for a moment, and the addresses of the pages.
func (c *checker) listeners(ctx context.Context) (all []Result) {
	for _, u := range c.cfg.Listen {
		all = append(all, c.listen(ctx, u.String(), u, c.running.has(u)))
	}
	for _, page := range []struct {
		setting string
		address settings.Address
	}{{"ADMIN_LISTEN", c.cfg.AdminListen}, {"PUBLIC_LISTEN", c.cfg.PublicListen}} {
		if page.address != "" {
			u := listener.URL{Scheme: listener.SchemeTLS, Address: string(page.address)}
			all = append(all, c.listen(ctx, settings.Prefix+page.setting+"="+string(page.address), u, c.running.is))
		}
	}
	return all
}

// listen opens an address for a moment. It may be the one that runs that has it: a tlslift
// opens all listeners or does not start. IsKnown means that it says so itself.
func (c *checker) listen(ctx context.Context, subject string, u listener.URL, isKnown bool) Result {
	r := Result{Check: Listener, Subject: subject, Status: OK, Says: "this user can listen there"}
	ln, err := c.Machine.Listen(ctx, u)
	if err == nil {
		_ = ln.Close() // nobody has connected
		return r
	}
	isTaken := errors.Is(err, syscall.EADDRINUSE)
	if c.running.is && (isTaken || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)) {
		r.Says = "the tlslift that runs listens there"
		if !isKnown {
			r.Says += ", if " + settings.Prefix + "LISTEN is the same as at its start"
		}
		return r
	}
	r.Status, r.Says, r.Remedy = Failed, "cannot listen: "+clean(settings.SystemError(err).Error()), listenerror.Remedy(err)
	_, port, _ := net.SplitHostPort(u.Address) // checked before
	switch {
	case isTaken:
		r.Says = "another program listens there"
		r.Remedy = fmt.Sprintf("see which with ss -ltnp 'sport = :%s', and stop it, or choose another port; if it is a tlslift, its "+
			"%sADMIN_LISTEN is another one than here", port, settings.Prefix)
	case errors.Is(err, syscall.EACCES):
		r.Remedy = c.withSudo("run sudo tlslift check, which has the rights of the service; without a service "+r.Remedy, r.Remedy)
	}
	return r
}

// mark tries whether connections can have the firewall mark.
func (c *checker) mark(ctx context.Context) []Result {
	m := c.cfg.UpstreamMark
	if m.Value == 0 || m.Auto && !isTransparent(c.cfg) {
		return nil
	}
	r := Result{Check: FirewallMark, Subject: fmt.Sprintf("%#x", m.Value), Status: OK, Says: "tlslift can mark its own connections"}
	err := c.Machine.CanMark(m.Value)
	if err == nil && c.unitLacks(ctx, "cap_net_admin") {
		err = errors.New("the systemd unit does not give it CAP_NET_ADMIN")
	}
	switch {
	case err == nil:
	case errors.Is(err, origdst.ErrUnsupported) && m.Auto:
		return nil // the listener says so
	case m.Auto:
		r.Status, r.Says = Warning, "tlslift cannot mark its own connections, so that rules cannot exempt them: "+
			clean(settings.SystemError(err).Error())
		r.Remedy = "give tlslift CAP_NET_ADMIN (transparent.conf for the systemd unit), or set " + settings.Prefix + "UPSTREAM_MARK=0"
	default:
		r.Status, r.Says = Failed, clean(settings.SystemError(err).Error())
		r.Remedy = "give tlslift CAP_NET_ADMIN (transparent.conf for the systemd unit), or set " + settings.Prefix + "UPSTREAM_MARK=0"
	}
	return []Result{r}
}

// unitLacks reports whether there is a systemd unit that does not give the service a
// capability. This command may have more of them than the service.
func (c *checker) unitLacks(ctx context.Context, capability string) bool {
	has := c.unit(ctx, "AmbientCapabilities")
	return has != "" && !strings.Contains(has, capability)
}

// isTransparent reports whether there is a listener to which a firewall leads.
func isTransparent(cfg *settings.Config) bool {
	for _, u := range cfg.Listen {
		if u.Scheme.Transparent() {
			return true
		}
	}
	return false
}
