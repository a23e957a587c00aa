package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// A guard is asked about every address of one Dial at the moment of
// connecting. Nothing can change between this check and the use of the
// address, so a name that resolves differently the second time (DNS
// rebinding) gains nothing.
type guard struct {
	isSelf    func(netip.AddrPort) bool
	forbidden func(netip.Addr) bool
	// interfaces returns the addresses of this machine, which are forbidden too; nil if
	// they are not.
	interfaces func() ([]net.Addr, error)
	prepare    func(syscall.RawConn) error // Config.Control
}

// guard is for destinations that a client chose.
func (d *Dialer) guard() *guard {
	return &guard{isSelf: d.isSelf, forbidden: d.forbidden, interfaces: d.interfaces, prepare: d.control}
}

// operatorGuard is for addresses that the operator chose, which may be
// private, or of this machine. The unspecified address stays forbidden: the
// kernel takes it for loopback, so it would hide one of our own listeners from
// isSelf.
func (d *Dialer) operatorGuard() *guard {
	return &guard{isSelf: d.isSelf, forbidden: netip.Addr.IsUnspecified, prepare: d.control}
}

// control is a net.Dialer's ControlContext.
func (g *guard) control(_ context.Context, _, address string, raw syscall.RawConn) error {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading address to connect to: %w", err)
	}
	if err := g.check(parsed); err != nil {
		return err
	}
	return g.prepare(raw)
}

func (g *guard) check(address netip.AddrPort) error {
	ip := netname.Reached(address.Addr())
	switch {
	case g.isSelf(netip.AddrPortFrom(ip, address.Port())):
		return &classified{record.ReasonDestinationIsSelf, fmt.Errorf("%s leads back to tlslift itself", address)}
	case g.forbidden(ip):
		return &classified{record.ReasonAddressForbidden, fmt.Errorf("%s is not an address on the public internet", address.Addr())}
	case g.interfaces == nil:
		return nil
	}
	// The machine's services may trust what comes from the machine itself. It may get
	// another address at any time.
	own, err := g.interfaces()
	if err != nil {
		return fmt.Errorf("listing the addresses of this machine: %w", err)
	}
	if isAmong(own, ip) {
		return &classified{record.ReasonAddressForbidden, fmt.Errorf("%s is an address of this machine", address.Addr())}
	}
	return nil
}
