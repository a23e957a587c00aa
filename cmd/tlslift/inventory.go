package main

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/statefile"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/record"
)

// newInventory returns the inventory with what earlier runs have saved.
func (s *service) newInventory() *inventory.Inventory {
	options := inventory.Options{
		Expiry: time.Duration(s.cfg.ClientExpiry),
		Store:  statefile.Clients(s.cfg),
		Log:    s.log,
	}
	if s.cfg.ReverseDNS {
		options.Lookup = hostsOf
	}
	return inventory.New(options)
}

// hostsOf returns the names of an address, from the name servers of the machine.
func hostsOf(ctx context.Context, addr netip.Addr) ([]string, error) {
	return net.DefaultResolver.LookupAddr(ctx, addr.String())
}

// observers are called one after the other.
type observers []proxy.Observer

// Opened implements proxy.Observer.
func (all observers) Opened(listener string) {
	for _, o := range all {
		o.Opened(listener)
	}
}

// Closed implements proxy.Observer.
func (all observers) Closed(r *record.Record) {
	for _, o := range all {
		o.Closed(r)
	}
}
