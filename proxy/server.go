package proxy

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/admission"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/greeting"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/refusedhello"
	"github.com/tlslift/tlslift/proxy/silence"
	"github.com/tlslift/tlslift/proxy/sockets"
	"github.com/tlslift/tlslift/proxy/stack"
	"github.com/tlslift/tlslift/proxy/ticketkeys"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A Server listens for clients and carries their connections.
type Server struct {
	common
	ctx context.Context // ended by Cut
	cut context.CancelFunc

	carrying, retiring sync.WaitGroup // connections, and setups that were replaced

	replacing sync.Mutex   // held while another setup is built
	isServing bool         // Serve has begun; guarded by replacing
	mu        sync.RWMutex // of the fields below
	now       *setup       // for new connections
	setups    []*setup     // those with connections, and the one for new ones
}

// common is what all setups of a Server share.
type common struct {
	log       *slog.Logger
	clients   atomic.Pointer[clientfile.Table]
	loops     *upstream.Loops
	admission *admission.Admission
	refused   *refusedhello.Memory
	greetings *greeting.Memory
	silent    silence.Set
	open      sockets.Set
}

// New builds a Server; it opens nothing yet.
func New(cfg Config) (*Server, error) {
	if cfg.TicketKeys == nil {
		var err error
		if cfg.TicketKeys, err = ticketkeys.Open(ticketkeys.Options{}); err != nil {
			return nil, err
		}
	}
	s := &Server{}
	s.log, s.loops = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)), upstream.NewLoops()
	s.refused, s.greetings = refusedhello.New(), greeting.New()
	s.admission = admission.New(admission.Config{
		Nets: cfg.ClientNets, Max: cfg.MaxConnections, MaxPerClient: cfg.MaxConnectionsPerClient, GroupBits: cfg.ClientIPv6Prefix,
		Balanced: len(cfg.TrustedProxies) > 0, Log: s.log, AcceptFailed: cfg.AcceptFailed,
	})
	s.ctx, s.cut = context.WithCancel(context.Background())
	var err error
	if s.now, err = newSetup(cfg, &s.common); err != nil {
		return nil, err
	}
	s.setups = []*setup{s.now}
	s.SetClients(cfg.Clients)
	return s, nil
}

// SetPolicy replaces the policy in force. Connections that are open go on, and
// listeners keep the destination that they have.
func (s *Server) SetPolicy(p *m365.Policy) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.now.finder.policy.Store(p)
}

// SetClients replaces the table of per-client options in force. Connections that
// are open keep theirs.
func (s *Server) SetClients(t *clientfile.Table) {
	s.clients.Store(t)
	s.admission.Reserve(t.Len())
}

// Replace puts another configuration into force, and another policy than that of the
// configuration, which the listeners are checked with; nil means that one. Connections
// that are open keep theirs; the listeners, the observer and the log stay. With an error,
// nothing has changed.
func (s *Server) Replace(cfg Config, p *m365.Policy) error {
	s.replacing.Lock()
	defer s.replacing.Unlock()
	before := s.now // nobody else changes it
	cfg.Listeners, cfg.Observer, cfg.Log = before.cfg.Listeners, before.cfg.Observer, before.cfg.Log
	cfg.TicketKeys = cmp.Or(cfg.TicketKeys, before.cfg.TicketKeys)
	next, err := newSetup(cfg, &s.common)
	if err != nil {
		return err
	}
	next.lifter.tls = before.lifter.tls.With(next.lifter.tls.Config) // it has sessions that clients resume
	next.finder.policy.Store(cmp.Or(p, cfg.Policy))
	next.listenOn(s.open)
	if s.isServing {
		next.https.Serve()
	}
	s.mu.Lock()
	s.now, s.setups = next, append(s.setups, next)
	s.mu.Unlock()
	s.admission.Set(cfg.ClientNets, cfg.MaxConnectionsPerClient)
	s.SetClients(cfg.Clients)
	s.retiring.Go(func() { s.retire(before) })
	return nil
}

// retire frees a setup when its last connection has ended.
func (s *Server) retire(old *setup) {
	old.carrying.Wait()
	old.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setups = slices.DeleteFunc(s.setups, func(one *setup) bool { return one == old })
}

// Listen opens every listener, or none: an error, which is a *sockets.Error, closes those
// already open.
func (s *Server) Listen(ctx context.Context) error {
	var err error
	if s.open, err = sockets.OpenAll(ctx, s.now.cfg.Listeners, s.now.cfg.Open); err != nil {
		return err
	}
	for i := range s.open {
		u := &s.open[i].URL
		u.To = cmp.Or(u.To, s.now.finder.policy.Load().Mail().Of(u.Scheme.Mail()))
	}
	s.now.listenOn(s.open)
	return nil
}

// Listeners returns the open listeners, with the addresses in force.
func (s *Server) Listeners() []listener.URL { return s.open.URLs() }

// isSelf reports whether addr is one of our own listeners, so that a destination
// that is tlslift itself is no loop.
func (c *common) isSelf(addr netip.AddrPort) bool { return c.open.Has(addr) }

// Serve carries connections until ctx is done. It then stops accepting, lets
// open connections end for DrainTimeout, cuts off the rest, and returns nil.
// It returns an error only when a listener breaks. Listen comes first.
func (s *Server) Serve(ctx context.Context) error {
	// Connections outlive ctx while they drain; cut ends them.
	carry, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(s.ctx, cut)()
	accept, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan error, len(s.open))
	var accepting sync.WaitGroup
	s.replacing.Lock()
	s.isServing = true
	s.now.https.Serve()
	s.replacing.Unlock()
	for i := range s.open {
		accepting.Go(func() { stopped <- s.accept(accept, carry, i) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-stopped:
	}
	stop()
	s.open.Close()
	accepting.Wait()
	s.drain(cut)
	return err
}

// Cut ends the open connections at once with a reset; Serve returns then, if its own ctx
// is done.
func (s *Server) Cut() { s.cut() }

// drain waits for the open connections and cuts off those that stay too long. Clients that
// have said nothing are not waited for.
func (s *Server) drain(cut context.CancelFunc) {
	s.mu.Lock()
	setups, last := slices.Clone(s.setups), s.now
	s.mu.Unlock()
	timer := time.AfterFunc(last.cfg.DrainTimeout, cut)
	defer timer.Stop()
	defer s.silent.End()()
	for _, one := range setups {
		one.https.Drain()
	}
	s.carrying.Wait()
	last.close()
	s.retiring.Wait()
}

// accept takes connections from one listener until it is closed or ctx is done.
func (s *Server) accept(ctx, carry context.Context, i int) error {
	l := s.open[i]
	for {
		s.carrying.Add(1) // before a connection is accepted, so that a drain cannot miss one
		conn := s.admission.Accept(ctx, l, l.URL.String())
		if conn == nil {
			s.carrying.Done()
			return nil
		}
		go s.carry(carry, i, conn)
	}
}

// IsFull reports whether clients have to wait until the connections of others are closed.
func (s *Server) IsFull() bool { return s.admission.IsFull() }

// carry carries a connection of a listener with the setup that is in force.
func (s *Server) carry(ctx context.Context, i int, conn net.Conn) {
	stack.Grow()
	s.mu.RLock()
	in := s.now
	in.carrying.Add(1)
	s.mu.RUnlock()
	in.serve(ctx, in.sockets[i], conn, func() {
		in.carrying.Done()
		s.admission.Closed()
		s.carrying.Done()
	})
}
