package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/statefile"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
)

// newInventory returns the inventory with what earlier runs have saved.
func newInventory(cfg *settings.Config, log *slog.Logger) *inventory.Inventory {
	options := inventory.Options{
		Expiry: time.Duration(cfg.ClientExpiry),
		Store:  statefile.Clients(cfg),
		Log:    log,
	}
	if cfg.ReverseDNS {
		options.Lookup = hostsOf
	}
	return inventory.New(options)
}

// factsOf returns what the metrics show of clients.
func factsOf(clients []inventory.Client) []metrics.Facts {
	all := make([]metrics.Facts, len(clients))
	for i, c := range clients {
		all[i] = metrics.Facts{
			Address: c.Address, Name: c.Name, JA4: c.JA4, LastSeen: c.LastSeen, LastLifted: c.LastLifted,
			LastAccepted: c.LastAccepted, LastLegacy: c.LastLegacy, LastCapable: c.LastCapable,
			LastSuccess: c.LastGood,
		}
		if c.Failure != nil {
			all[i].LastFailure, all[i].Reason = c.Failure.At, c.Failure.Reason
		}
	}
	return all
}

// hostsOf returns the names of an address, from the name servers of the machine.
func hostsOf(ctx context.Context, addr netip.Addr) ([]string, error) {
	return net.DefaultResolver.LookupAddr(ctx, addr.String())
}
