package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A Server listens for clients and carries their connections.
type Server struct {
	cfg       Config
	log       *slog.Logger
	upstream  *upstream.Dialer
	admission *admission
	refusals  *refusals
	tickets   *tls.Config // holds crypto/tls's session ticket keys, which rotate
	sessions  *legacytls.Sessions
	lingering atomic.Int32
	clients   atomic.Pointer[clientfile.Table]
	policy    atomic.Pointer[policy.Policy]
	listeners []*socket
	addresses *addresses
	own       *own
}

// A socket is an open listener.
type socket struct {
	url  listener.URL
	name string // the URL without options
	net.Listener
	explicit *explicit // the HTTP proxy; nil unless the scheme is proxy
}

// maxSessions bounds the sessions that are kept for clients without tickets.
const maxSessions = 10000

// New builds a Server; it opens nothing yet.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Log, admission: newAdmission(&cfg), refusals: newRefusals(), tickets: new(tls.Config), own: newOwn()}
	s.clients.Store(cfg.Clients)
	s.policy.Store(cfg.Policy)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	secret, err := cfg.CA.Secret("session tickets")
	if err != nil {
		return nil, fmt.Errorf("deriving the keys of session tickets: %w", err)
	}
	s.sessions = legacytls.NewSessions(secret, maxSessions)
	cfg.Upstream.IsSelf = s.isSelf
	dialer, err := upstream.New(cfg.Upstream)
	if err != nil {
		return nil, err
	}
	s.upstream = dialer
	s.addresses = newAddresses(dialer.Addresses)
	return s, nil
}

// SetPolicy puts another policy in the place of the one in force. Connections
// that are open go on, and listeners keep the destination that they have.
func (s *Server) SetPolicy(p *policy.Policy) { s.policy.Store(p) }

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
		u.To = cmp.Or(u.To, s.mailDestination(u.Scheme))
		l := &socket{url: u, name: u.String(), Listener: ln}
		if u.Scheme == listener.SchemeProxy {
			l.explicit = newExplicit(s)
		}
		s.listeners = append(s.listeners, l)
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

// mailDestination is where a mail listener leads that names no destination;
// zero for others.
func (s *Server) mailDestination(scheme listener.Scheme) policy.Destination {
	m := s.policy.Load().Mail()
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
	urls := make([]listener.URL, len(s.listeners))
	for i, l := range s.listeners {
		urls[i] = l.url
	}
	return urls
}

// isSelf says whether addr is one of our own listeners, so that a destination
// that leads back to us does not go round in circles.
func (s *Server) isSelf(addr netip.AddrPort) bool {
	for _, l := range s.listeners {
		own := l.Addr().(*net.TCPAddr).AddrPort()
		if own.Port() != addr.Port() {
			continue
		}
		if own.Addr().Unmap() == addr.Addr().Unmap() {
			return true
		}
		if own.Addr().IsUnspecified() && isLocal(addr.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// isLocal says whether addr belongs to this machine.
func isLocal(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		ipNet, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		own, ok := netip.AddrFromSlice(ipNet.IP)
		return ok && own.Unmap() == addr
	})
}

// Serve carries connections until ctx is done. It then stops accepting, lets
// open connections end for DrainTimeout, cuts off the rest, and returns nil.
// It returns an error only when a listener breaks. Listen comes first.
func (s *Server) Serve(ctx context.Context) error {
	// Connections outlive ctx while they drain; cut ends them.
	carry, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	stopped := make(chan error, len(s.listeners))
	var accepting, conns, https sync.WaitGroup
	for _, l := range s.listeners {
		if l.explicit != nil {
			https.Go(l.explicit.serve)
		}
		accepting.Go(func() { stopped <- s.accept(carry, l, &conns) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-stopped:
	}
	s.closeListeners()
	accepting.Wait()
	s.drain(&conns, cut)
	https.Wait()
	return err
}

// drain waits for the open connections and cuts off those that stay too long.
func (s *Server) drain(conns *sync.WaitGroup, cut context.CancelFunc) {
	timer := time.AfterFunc(s.cfg.DrainTimeout, cut)
	defer timer.Stop()
	for _, l := range s.listeners {
		if l.explicit != nil {
			l.explicit.drain()
		}
	}
	conns.Wait()
	for _, l := range s.listeners {
		if l.explicit != nil {
			l.explicit.stop()
		}
	}
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// maxAcceptDelay bounds the wait after an accept error.
const maxAcceptDelay = time.Second

// accept takes connections from one listener until it is closed. An error
// such as too many open files passes; it waits longer each time.
func (s *Server) accept(ctx context.Context, l *socket, conns *sync.WaitGroup) error {
	delay := 5 * time.Millisecond
	for {
		conns.Add(1) // before Accept, so that a drain cannot miss one
		conn, err := l.Accept()
		if err == nil {
			delay = 5 * time.Millisecond
			go func() {
				defer conns.Done()
				s.serve(ctx, l, conn)
			}()
			continue
		}
		conns.Done()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		s.log.Error("accepting connection", "listener", l.name, "error", err, "retry_in", delay)
		select {
		case <-time.After(delay):
			delay = min(2*delay, maxAcceptDelay)
		case <-ctx.Done():
			return nil
		}
	}
}
