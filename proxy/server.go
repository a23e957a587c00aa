package proxy

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/admission"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/httpproxy"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/refusedhello"
	"github.com/tlslift/tlslift/proxy/ticketkeys"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A Server listens for clients and carries their connections.
type Server struct {
	cfg     Config
	log     *slog.Logger
	clients atomic.Pointer[clientfile.Table]
	sockets []*socket

	dialer    *upstream.Dialer
	loops     *upstream.Loops
	admission *admission.Admission
	finder    finder
	passer    passer
	lifter    lifter
	refuser   refuser
}

// A socket is an open listener.
type socket struct {
	net.Listener

	url  listener.URL
	name string            // the URL without options
	http *httpproxy.Server // the HTTP proxy; nil unless the scheme is proxy
}

// New builds a Server; it opens nothing yet.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)), loops: upstream.NewLoops()}
	s.admission = admission.New(admission.Config{
		Nets: cfg.ClientNets, Max: cfg.MaxConnections, MaxPerClient: cfg.MaxConnectionsPerClient, GroupBits: cfg.ClientIPv6Prefix,
		Balanced: len(cfg.TrustedProxies) > 0, Log: s.log, AcceptFailed: cfg.AcceptFailed,
	})
	s.SetClients(cfg.Clients)
	s.SetPolicy(cfg.Policy)
	cfg.Upstream.IsSelf = s.isSelf
	var err error
	if s.dialer, err = upstream.New(cfg.Upstream); err != nil {
		return nil, err
	}
	if cfg.TicketKeys == nil {
		if cfg.TicketKeys, err = ticketkeys.Open(ticketkeys.Options{}); err != nil {
			return nil, err
		}
	}
	s.finder.addresses, s.finder.isSelf = m365.NewAddresses(s.dialer.Addresses), s.isSelf
	s.passer = passer{refused: refusedhello.New(), timeout: cfg.HandshakeTimeout}
	s.lifter = lifter{refused: s.passer.refused, tls: clienttls.New(cfg.CA, cfg.TicketKeys, cfg.DHBits, cfg.HandshakeTimeout)}
	s.refuser.lifter, s.refuser.timeout, s.refuser.maxLeaving = &s.lifter, cfg.HandshakeTimeout, admission.MaxLeaving(cfg.MaxConnections)
	return s, nil
}

// SetPolicy replaces the policy in force. Connections that are open go on, and
// listeners keep the destination that they have.
func (s *Server) SetPolicy(p *m365.Policy) { s.finder.policy.Store(p) }

// SetClients replaces the table of per-client options in force. Connections that
// are open keep theirs.
func (s *Server) SetClients(t *clientfile.Table) {
	s.clients.Store(t)
	s.admission.Reserve(t.Len())
}

// Listen opens every listener, or none: an error closes those already open.
func (s *Server) Listen(ctx context.Context) error {
	for _, u := range s.cfg.Listeners {
		ln, err := listen(ctx, u)
		if err != nil {
			s.closeListeners()
			return &ListenError{URL: u, Err: err}
		}
		// The name has the port in force, in case the configured one is 0.
		u.Address = ln.Addr().String()
		u.To = cmp.Or(u.To, mailDestination(s.finder.policy.Load().Mail(), u.Scheme))
		opened := &socket{Listener: ln, url: u, name: u.String()}
		if u.Scheme == listener.SchemeProxy {
			opened.http = httpproxy.New(httpproxy.Config{
				Check: s.finder.check, HasPlainHTTP: func(host string) bool { return s.finder.policy.Load().HasPlainHTTP(host) },
				HandshakeTimeout: s.cfg.HandshakeTimeout, IdleTimeout: s.cfg.IdleTimeout,
			})
		}
		s.sockets = append(s.sockets, opened)
	}
	return nil
}

func listen(ctx context.Context, u listener.URL) (net.Listener, error) {
	lc := &net.ListenConfig{}
	if u.Scheme.Transparent() {
		var err error
		if lc, err = origdst.Listen(u.Scheme == listener.SchemeTPROXY); err != nil {
			return nil, err
		}
	}
	return lc.Listen(ctx, "tcp", u.Address)
}

// mailDestination returns the destination of a mail listener that names none; zero
// for other schemes.
func mailDestination(m m365.Mail, scheme listener.Scheme) policy.Destination {
	return map[record.Protocol]policy.Destination{
		record.ProtocolSMTP: m.SMTP, record.ProtocolIMAP: m.IMAP, record.ProtocolPOP3: m.POP3,
	}[scheme.Mail()]
}

// A ListenError says which listener could not be opened.
type ListenError struct {
	URL listener.URL
	Err error
}

func (e *ListenError) Error() string { return fmt.Sprintf("listening on %s: %v", e.URL, e.Err) }

// Unwrap returns the system's error.
func (e *ListenError) Unwrap() error { return e.Err }

// Listeners returns the open listeners, with the addresses in force.
func (s *Server) Listeners() []listener.URL {
	urls := make([]listener.URL, len(s.sockets))
	for i, l := range s.sockets {
		urls[i] = l.url
	}
	return urls
}

// isSelf reports whether addr is one of our own listeners, so that a destination
// that is tlslift itself is no loop.
func (s *Server) isSelf(addr netip.AddrPort) bool {
	for _, l := range s.sockets {
		own := l.Addr().(*net.TCPAddr).AddrPort()
		if own.Port() != addr.Port() {
			continue
		}
		if own.Addr().Unmap() == addr.Addr().Unmap() {
			return true
		}
		if own.Addr().IsUnspecified() && upstream.IsLocal(addr.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// Serve carries connections until ctx is done. It then stops accepting, lets
// open connections end for DrainTimeout, cuts off the rest, and returns nil.
// It returns an error only when a listener breaks. Listen comes first.
func (s *Server) Serve(ctx context.Context) error {
	// Connections outlive ctx while they drain; cut ends them.
	carry, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	accept, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan error, len(s.sockets))
	var accepting, conns, https sync.WaitGroup
	for _, l := range s.sockets {
		if l.http != nil {
			https.Go(l.http.Serve)
		}
		accepting.Go(func() { stopped <- s.accept(accept, carry, l, &conns) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-stopped:
	}
	stop()
	s.closeListeners()
	accepting.Wait()
	s.drain(&conns, cut)
	https.Wait()
	s.finder.addresses.Close()
	return err
}

// drain waits for the open connections and cuts off those that stay too long.
func (s *Server) drain(conns *sync.WaitGroup, cut context.CancelFunc) {
	timer := time.AfterFunc(s.cfg.DrainTimeout, cut)
	defer timer.Stop()
	for _, l := range s.sockets {
		if l.http != nil {
			l.http.Drain()
		}
	}
	conns.Wait()
	for _, l := range s.sockets {
		if l.http != nil {
			l.http.Stop()
		}
	}
}

func (s *Server) closeListeners() {
	for _, l := range s.sockets {
		_ = l.Close()
	}
}

// accept takes connections from one listener until it is closed or ctx is done.
func (s *Server) accept(ctx, carry context.Context, l *socket, conns *sync.WaitGroup) error {
	for {
		conns.Add(1) // before a connection is accepted, so that a drain cannot miss one
		conn := s.admission.Accept(ctx, l, l.name)
		if conn == nil {
			conns.Done()
			return nil
		}
		go func() {
			defer conns.Done()
			defer s.admission.Closed()
			s.serve(carry, l, conn)
		}()
	}
}
