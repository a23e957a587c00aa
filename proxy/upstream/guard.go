package upstream

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/tlslift/tlslift/proxy/record"
)

// A guard is asked about every address of one Dial at the moment of
// connecting. Nothing can change between this check and the use of the
// address, so a name that resolves differently the second time (DNS
// rebinding) gains nothing.
type guard struct {
	isSelf    func(netip.AddrPort) bool
	forbidden func(netip.Addr) bool
	prepare   func(syscall.RawConn) error // Config.Control
}

// guard is for destinations that a client chose.
func (d *Dialer) guard() *guard {
	return &guard{isSelf: d.isSelf, forbidden: d.forbidden, prepare: d.control}
}

// operatorGuard is for addresses that the operator chose, which may be
// private. The unspecified address stays forbidden: the kernel takes it for
// loopback, so it would hide one of our own listeners from isSelf.
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
	ip := address.Addr().Unmap().WithZone("")
	if g.isSelf(netip.AddrPortFrom(ip, address.Port())) {
		return &classified{record.ReasonDestinationIsSelf, fmt.Errorf("%s leads back to tlslift itself", address)}
	}
	if g.forbidden(ip) {
		return &classified{record.ReasonAddressForbidden, fmt.Errorf("%s is not an address on the public internet", ip)}
	}
	return nil
}
