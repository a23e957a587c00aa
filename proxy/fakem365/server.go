package fakem365

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	maxConnections   = 1024 // at a time; the next one waits in the kernel's queue
	handshakeTimeout = 10 * time.Second
	acceptPause      = 50 * time.Millisecond
	lingerTimeout    = time.Second
	lingerLimit      = 64 << 10
)

// ConnectionTimeout is how long a connection may last; nothing here is meant to
// last longer.
const ConnectionTimeout = 15 * time.Minute

// A Server is one listening socket of a Service.
type Server struct {
	listener net.Listener
	config   *tls.Config
	leaf     *x509.Certificate

	slots      chan struct{} // one is taken by each connection
	done       chan struct{} // closed by Close
	closing    sync.Once
	goroutines sync.WaitGroup

	mu         sync.Mutex
	conns      map[net.Conn]struct{} // nil once closed
	handshakes Handshakes
}

// Handshakes are counts of a server's handshakes so far.
type Handshakes struct {
	Completed int // all that were completed, resumed ones among them
	Resumed   int
	Failed    int                 // refused by either side, or given up
	Last      tls.ConnectionState // the last completed one; zero before the first
}

// Serve starts a server. handle owns the connection's protocol from its first
// byte, and calls Handshake where TLS begins.
func (f *Service) Serve(o TLSOptions, handle func(*Server, net.Conn)) (*Server, error) {
	config, leaf, err := f.tlsConfig(o)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening a loopback socket: %w", err)
	}
	s := &Server{
		listener: listener,
		config:   config,
		leaf:     leaf,
		slots:    make(chan struct{}, maxConnections),
		done:     make(chan struct{}),
		conns:    map[net.Conn]struct{}{},
	}
	if err := f.adopt(s); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.goroutines.Go(func() { s.accept(handle) })
	return s, nil
}

// Addr returns where the server listens, as host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Leaf returns the certificate that the server shows.
func (s *Server) Leaf() *x509.Certificate { return s.leaf }

// Handshakes returns the counts of the handshakes so far.
func (s *Server) Handshakes() Handshakes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handshakes
}

// Close stops listening, cuts the open connections and waits for the server's
// goroutines. It may be called more than once.
func (s *Server) Close() {
	s.closing.Do(func() {
		close(s.done)
		_ = s.listener.Close() // closed is all it can be
		s.mu.Lock()
		for conn := range s.conns {
			_ = conn.Close()
		}
		s.conns = nil
		s.mu.Unlock()
	})
	s.goroutines.Wait()
}

// accept takes connections until the server is closed. The slot comes first,
// so that no connection is accepted that could not be served.
func (s *Server) accept(handle func(*Server, net.Conn)) {
	for s.reserve() {
		conn, err := s.listener.Accept()
		if err == nil {
			s.goroutines.Go(func() { s.carry(conn, handle) })
			continue
		}
		s.release()
		if !s.pause() {
			return
		}
	}
}

func (s *Server) reserve() bool {
	select {
	case s.slots <- struct{}{}:
		return true
	case <-s.done:
		return false
	}
}

func (s *Server) release() { <-s.slots }

// pause lets whatever keeps Accept from working, such as a want of file
// descriptors, go away. It is false when the server is closed.
func (s *Server) pause() bool {
	timer := time.NewTimer(acceptPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done:
		return false
	}
}

func (s *Server) carry(conn net.Conn, handle func(*Server, net.Conn)) {
	defer s.release()
	if s.track(conn) {
		handle(s, conn)
	}
	s.drop(conn)
}

// track has Close cut conn. It is false when Close has been called already.
func (s *Server) track(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *Server) drop(conn net.Conn) {
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	_ = conn.Close() // most often closed by its TLS or by Close already
}

// Handshake begins TLS on conn and counts how that went.
func (s *Server) Handshake(conn net.Conn) (*tls.Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, fmt.Errorf("limiting the handshake: %w", err)
	}
	secure := tls.Server(conn, s.config)
	if err := secure.HandshakeContext(context.Background()); err != nil {
		s.count(func(h *Handshakes) { h.Failed++ })
		Linger(conn)
		return nil, fmt.Errorf("shaking hands with a client: %w", err)
	}
	s.completed(secure.ConnectionState())
	if err := conn.SetDeadline(time.Now().Add(ConnectionTimeout)); err != nil {
		return nil, fmt.Errorf("limiting the connection: %w", err)
	}
	return secure, nil
}

func (s *Server) completed(state tls.ConnectionState) {
	s.count(func(h *Handshakes) {
		h.Completed++
		if state.DidResume {
			h.Resumed++
		}
		h.Last = state
	})
}

func (s *Server) count(add func(*Handshakes)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add(&s.handshakes)
}

// Linger lets a refused client read its alert, or its last reply: closing a
// socket with unread bytes in it resets the connection, and the reset may
// overtake what was sent.
func Linger(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if conn.SetReadDeadline(time.Now().Add(lingerTimeout)) == nil {
		_, _ = io.CopyN(io.Discard, conn, lingerLimit)
	}
}
