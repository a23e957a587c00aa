package service

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/probe"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/policy"
)

// known is what is known of clients: in the inventory, in the metrics, and in the clients
// file.
type known struct {
	inventory *inventory.Inventory
	metrics   *metrics.Metrics
	clients   atomic.Pointer[clientfile.Table] // those in force
	renaming  sync.Mutex                       // held while clients get names
}

// newInventory returns the inventory of a service, with what earlier runs have saved.
func newInventory(s *Service, store inventory.Store) *inventory.Inventory {
	options := inventory.Options{
		GroupBits: int(s.cfg.ClientIPv6Prefix),
		Expiry:    time.Duration(s.cfg.ClientExpiry),
		Store:     store,
		IsNamed:   func(host string) bool { return s.clients.Load().HasHost(host) },
		Confirm:   leadsTo,
		Named:     func() { s.rename(s.clients.Load()) },
		Log:       s.log,
	}
	if s.cfg.ReverseDNS {
		options.Lookup = hostsOf
	}
	return inventory.New(options)
}

// use makes a table that of the service, and returns it with the names in reverse
// DNS.
func (k *known) use(table *clientfile.Table) *clientfile.Table {
	table = table.WithHosts(k.inventory.HostOf)
	k.clients.Store(table)
	return table
}

// rename gives the clients the names of the table, in the inventory and in the metrics.
func (k *known) rename(table *clientfile.Table) {
	k.renaming.Lock()
	defer k.renaming.Unlock()
	var all []metrics.Renaming
	for _, r := range k.inventory.Rename(table) {
		all = append(all, metrics.Renaming{From: r.From, Now: factsOf([]inventory.Client{r.Client})[0]})
	}
	k.metrics.Rename(all)
}

// forget removes a client from the inventory, from what is saved, and from the metrics,
// also in a successor; it reports whether there was one.
func forget(s *Service, key string) bool {
	if !s.events.forget(key) {
		return false
	}
	s.log.Info("forgot a client", "client", key)
	return true
}

// factsOf returns what the metrics show of clients.
func factsOf(clients []inventory.Client) []metrics.Facts {
	all := make([]metrics.Facts, len(clients))
	for i, c := range clients {
		all[i] = metrics.Facts{
			Address: c.Address, Name: c.Name, JA4: c.JA4, FirstSeen: c.FirstSeen, LastSeen: c.LastSeen, LastLifted: c.LastLifted,
			LastAccepted: c.LastAccepted, LastLegacy: c.LastLegacy, LastCapable: c.LastCapable,
			LastSuccess: c.LastGood,
		}
		if c.Failure != nil {
			all[i].LastFailure, all[i].Reason = c.Failure.At, c.Failure.Reason
		}
	}
	return all
}

// newProber returns what probes the destinations, by what the inventory knows of them.
func newProber(s *Service, r *reading) *probe.Prober {
	return probe.New(probe.Options{
		Interval: time.Duration(r.cfg.ProbeInterval), Timeout: time.Duration(r.cfg.HandshakeTimeout),
		InUse: func() []policy.Destination {
			return probe.Destinations(r.cfg.Listen, s.inventory.Snapshot(), s.allowed, time.Now())
		},
		Show: s.metrics.Probes.Show, Log: s.log,
	}, r.upstream)
}

// hostsOf returns the names of an address, from the name servers of the machine.
func hostsOf(ctx context.Context, addr netip.Addr) ([]string, error) {
	names, err := net.DefaultResolver.LookupAddr(ctx, addr.String())
	var answer *net.DNSError
	if errors.As(err, &answer) && answer.IsNotFound {
		return nil, nil
	}
	return names, err
}

// leadsTo reports whether a host has an address.
func leadsTo(ctx context.Context, host string, addr netip.Addr) bool {
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	return err == nil && slices.ContainsFunc(all, func(a netip.Addr) bool { return a.Unmap() == addr.WithZone("") })
}
