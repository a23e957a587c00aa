package model

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// beforeTLS are the commands that a destination may get without TLS.
var beforeTLS = []string{"EHLO", "HELO", "STARTTLS", "NOOP", "RSET", "QUIT"}

// A tap sees what comes before TLS.
type tap struct {
	net.Conn

	world *world
	seen  bool
}

// Read implements net.Conn. Where TLS begins, the first byte is that of a handshake.
func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.seen {
		c.seen = true
		if p[0] != 22 {
			c.world.violate("a destination gets %q where its TLS begins", p[:min(n, 20)])
		}
	}
	return n, strict(err)
}

var errFIN = errors.New("the peer ended TLS without close_notify")

// strict makes the end of a connection an error, unless TLS has ended before: crypto/tls
// takes it for an orderly end.
func strict(err error) error {
	if errors.Is(err, io.EOF) {
		return errFIN
	}
	return err
}

// strictConn is a client's connection, likewise.
type strictConn struct{ net.Conn }

// Read implements net.Conn.
func (c strictConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, strict(err)
}

// serveFar accepts connections to the destinations of a slot.
func (w *world) serveFar(s *slot, port uint16) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.closers = append(w.closers, ln)
	w.running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			w.track(conn)
			s.mu.Lock()
			s.farConns = append(s.farConns, conn)
			s.mu.Unlock()
			w.running.Go(func() { w.carryFar(s, port, conn.(*net.TCPConn)) })
		}
	})
	return ln.Addr().String()
}

// carryFar is one connection to a destination, up to the beginning of the session.
func (w *world) carryFar(s *slot, port uint16, raw *net.TCPConn) {
	_ = raw.SetDeadline(time.Now().Add(2 * patience))
	s.mu.Lock()
	s.fars++
	does, host, opens := s.does, s.farHost, s.farOpens
	s.mu.Unlock()
	switch does {
	case resetsEarly:
		_ = raw.SetLinger(0)
		_ = raw.Close()
		return
	case stallsEarly:
		_, _ = io.Copy(io.Discard, raw)
		return
	}
	if port == 587 && !w.negotiateFar(raw) {
		_ = raw.Close()
		return
	}
	if does == closesEarly {
		_, _ = raw.Read(make([]byte, 1))
		_ = raw.Close()
		return
	}
	config := w.shared.good.Clone()
	if does != accepts {
		config = w.shared.bad[does].Clone()
	}
	config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if h.ServerName != host {
			w.violate("the destination %s gets the server name %q", host, h.ServerName)
		}
		return nil, nil
	}
	secure := tls.Server(&tap{Conn: raw, world: w}, config)
	if secure.HandshakeContext(context.Background()) != nil {
		_ = raw.CloseWrite()
		_, _ = io.Copy(io.Discard, raw)
		_ = raw.Close()
		return
	}
	if does != accepts {
		w.violate("a handshake is completed with a destination that %s", does)
	}
	switch port {
	case 993:
		_, _ = io.WriteString(secure, "* OK ready\r\n")
	case 995:
		_, _ = io.WriteString(secure, "+OK ready\r\n")
	}
	s.ready <- arrival{begin(raw, secure, port == 587), opens, exported(secure)}
}

// exported returns what only the two ends of a TLS connection know.
func exported(c *tls.Conn) string {
	state := c.ConnectionState()
	key, _ := state.ExportKeyingMaterial("EXPORTER-model", nil, 16) // not of TLS 1.0
	return string(key)
}

// An arrival is a destination whose TLS is complete.
type arrival struct {
	end   *end
	opens int // which connection of the client it is for
	key   string
}

// negotiateFar is the STARTTLS negotiation of an SMTP destination.
func (w *world) negotiateFar(raw *net.TCPConn) bool {
	say := func(text string) { _, _ = io.WriteString(raw, text+"\r\n") }
	say("220 mx ready")
	r := bufio.NewReaderSize(raw, 1<<12)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case !slices.Contains(beforeTLS, verb):
			w.violate("a destination gets %q without TLS", line)
			return false
		case verb == "STARTTLS":
			say("220 begin TLS")
			if n := r.Buffered(); n > 0 {
				w.violate("%d bytes come together with STARTTLS", n)
			}
			return true
		case verb == "EHLO":
			say("250-mx\r\n250 STARTTLS")
		case verb == "QUIT":
			say("221 bye")
			return false
		default:
			say("250 ok")
		}
	}
}

// serveDecoy accepts connections to what nobody may reach.
func (w *world) serveDecoy() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.closers = append(w.closers, ln)
	w.running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			w.violate("a destination that is not allowed gets a connection")
			_ = conn.Close()
		}
	})
	return ln.Addr().String()
}

// violate notes that something does not hold.
func (w *world) violate(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violations = append(w.violations, fmt.Sprintf(format, args...))
}
