package devicetest

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/checkclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/endpoints"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
)

// Flags are those of the command, as they are typed.
type Flags struct {
	Listen, Client, Page string
	Devices              int
	Timeout              time.Duration
	JSON                 bool
}

// Options returns the options that the flags and the settings name. Its error is one of
// them.
func (f *Flags) Options(cfg *settings.Config) (o Options, err error) {
	o = Options{Settings: cfg, Machine: checkclient.OfThis(), Devices: f.Devices, Timeout: f.Timeout}
	switch {
	case f.Timeout <= 0:
		return o, fmt.Errorf("--timeout: %s is too short; write a time, for example 15m", f.Timeout)
	case f.Devices < 1 || f.Devices > MaxDevices:
		return o, fmt.Errorf("--devices: %d is not a number from 1 to %d", f.Devices, MaxDevices)
	}
	for text := range strings.SplitSeq(f.Listen, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, err := listener.Parse(text)
		switch {
		case err != nil:
			return o, fmt.Errorf("--listen: %w", err)
		case u.Scheme.Transparent():
			return o, fmt.Errorf("--listen: a device cannot be pointed at %s; write one of another scheme, for example smtp://:2587", u)
		}
		o.Listen = append(o.Listen, u)
	}
	if f.Client != "" {
		if o.Client, err = clientAt(cfg, f.Client); err != nil {
			return o, err
		}
	}
	o.Page = o.pageAddress(f.Page)
	list, err := endpoints.New(cfg)
	if err != nil {
		return o, err
	}
	o.Policy = list.Policy()
	return o, nil
}

// clientAt returns the address of a client by its name or address.
func clientAt(cfg *settings.Config, key string) (netip.Addr, error) {
	table, err := cfg.ClientTable()
	if err != nil {
		return netip.Addr{}, err
	}
	if _, addr, found := table.Called(key); found && addr.IsValid() {
		return addr, nil
	}
	addr, err := netip.ParseAddr(key)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("--client: %q is neither an address nor a client with one address in the clients file", key)
	}
	return addr.Unmap().WithZone(""), nil
}

// Run runs a test with options and prints its report. What is found meanwhile goes to the
// same place, or with JSON to notes.
func (f *Flags) Run(ctx context.Context, o Options, out, notes io.Writer) error {
	var err error
	if o.CA, err = openCA(o.Settings, o.Policy); err != nil {
		return err
	}
	if o.Notes = out; f.JSON {
		o.Notes = notes
	}
	report, err := Run(ctx, o)
	if err != nil {
		return err
	}
	if err := report.Print(out, f.JSON); err != nil {
		return err
	}
	return report.Err()
}
