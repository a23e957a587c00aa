// Package probe opens a verified TLS connection to each destination in use, at an interval,
// and reports which of them worked, before a client needs one.
//
// It sends nothing but what begins TLS, signs in nowhere, and goes to no destination that
// clients may not reach.
package probe

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/metrics/probes"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// Options are what New needs; all are required.
type Options struct {
	// Interval is the time from one round to the next; zero means that there are none.
	Interval time.Duration
	// Timeout bounds each probe.
	Timeout time.Duration
	// InUse returns the destinations to probe.
	InUse func() []policy.Destination
	// Show shows what a round has found.
	Show func([]probes.Probe)
	Log  *slog.Logger
}

// A Prober probes the destinations. Use may be called while it runs.
type Prober struct {
	Options
	out     atomic.Pointer[upstream.Config]
	failing map[policy.Destination]record.Reason // at the last round
}

// New returns a prober that goes out by a configuration.
func New(o Options, out upstream.Config) *Prober {
	p := &Prober{Options: o, failing: map[policy.Destination]record.Reason{}}
	p.Use(out)
	return p
}

// Use goes on with another configuration.
func (p *Prober) Use(out upstream.Config) { p.out.Store(&out) }

// Run probes all destinations at once, and then at the interval, until ctx is done. A round
// that takes longer than the interval is followed by the next at once.
func (p *Prober) Run(ctx context.Context) {
	if p.Interval == 0 {
		return
	}
	ticker := time.NewTicker(p.Interval)
	defer ticker.Stop()
	for {
		p.round(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// round probes each destination in turn.
func (p *Prober) round(ctx context.Context) {
	// A new dialer has no TLS session to resume, nor an address that has worked before.
	dialer, err := upstream.New(*p.out.Load())
	if err != nil {
		p.Log.Error("probing the destinations", "error", err.Error())
		return
	}
	var found []probes.Probe
	failing := map[policy.Destination]record.Reason{}
	for _, to := range p.InUse() {
		began := time.Now()
		err := p.probe(ctx, dialer, to)
		if ctx.Err() != nil {
			return
		}
		probe := probes.Probe{Destination: to.String(), Took: time.Since(began), At: time.Now()}
		if err != nil {
			probe.Reason = upstream.Failure(err).Reason
			failing[to] = probe.Reason
		}
		p.report(to, probe.Reason, err)
		found = append(found, probe)
	}
	p.failing = failing
	p.Show(found)
}

// report logs what has changed since the last round.
func (p *Prober) report(to policy.Destination, now record.Reason, err error) {
	before := p.failing[to]
	switch {
	case now == before:
	case now == "":
		p.Log.Info("a destination can be reached again", "destination", to.String())
	default:
		p.Log.Warn("a destination cannot be reached", "destination", to.String(), "reason", string(now),
			"detail", err.Error(), "remedy", now.Remedy())
	}
}

// probe opens TLS to a destination as for a lifted client, and closes it.
func (p *Prober) probe(ctx context.Context, dialer *upstream.Dialer, to policy.Destination) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	v := &visit{dialer: dialer, to: to, timeout: p.Timeout}
	defer v.close()
	return v.open(ctx)
}
