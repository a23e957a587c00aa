package faults

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/record"
	"golang.org/x/net/dns/dnsmessage"
)

// A mode is what a name server does.
type mode int32

// The modes.
const (
	answers mode = iota
	fails        // SERVFAIL
	denies       // NXDOMAIN
	ignores
	dawdles // answers late
)

// A nameServer answers with 127.0.0.1 for all names.
type nameServer struct {
	conn    net.PacketConn
	mode    atomic.Int32
	running sync.WaitGroup
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	s := &nameServer{conn: conn}
	s.running.Go(s.serve)
	t.Cleanup(func() {
		_ = conn.Close()
		s.running.Wait()
	})
	return s
}

func (s *nameServer) set(m mode) { s.mode.Store(int32(m)) }

// resolver asks it.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

func (s *nameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		switch mode(s.mode.Load()) {
		case ignores:
			continue
		case fails:
			m.RCode = dnsmessage.RCodeServerFailure
		case denies:
			m.RCode = dnsmessage.RCodeNameError
		case dawdles:
			s.running.Go(func() {
				<-time.After(40 * time.Millisecond)
				s.reply(from, m)
			})
			continue
		case answers:
		}
		s.reply(from, m)
	}
}

func (s *nameServer) reply(to net.Addr, m dnsmessage.Message) {
	if q := m.Questions[0]; m.RCode == 0 && q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	if packed, err := m.Pack(); err == nil {
		_, _ = s.conn.WriteTo(packed, to)
	}
}

// byName makes tlslift ask the name server for the address of the destination.
func (s *nameServer) byName(c *proxy.Config) {
	const from = host + ":587"
	to := c.Upstream.ConnectTo[from]
	c.Upstream.ConnectTo = map[string]string{from: "mx.contoso.com" + to[strings.LastIndexByte(to, ':'):]}
	c.Upstream.Resolver = s.resolver()
}

// nameFaults are rows of a name server that fails, denies, is late or says nothing.
func nameFaults(t *testing.T) []fault {
	t.Helper()
	rows := []fault{
		{name: "name server fails", sees: []sight{refused}, reasons: is(record.ReasonDNSFailed)},
		{name: "name server denies the name", sees: []sight{refused}, reasons: is(record.ReasonNameNotFound)},
		{name: "name server is late", size: 1000, sees: []sight{done}, stored: true},
		{
			name: "name server says nothing", impatient: true, sees: []sight{refused},
			reasons: is(record.ReasonDNSFailed, record.ReasonUpstreamTimeout),
		},
	}
	for i, m := range []mode{fails, denies, dawdles, ignores} {
		names := newNameServer(t)
		rows[i].change = names.byName
		rows[i].before = func(*world) { names.set(m) }
		rows[i].heal = func(*world) { names.set(answers) }
	}
	return rows
}

// A name server that flaps makes connections fail while it fails, or none, since the last
// good answer may serve for a while.
func TestFlappingNameServer(t *testing.T) {
	t.Parallel()
	names := newNameServer(t)
	w := newWorld(t, true, patient, names.byName)
	for _, m := range []mode{answers, fails, answers, denies, answers} {
		names.set(m)
		f := &fault{size: 1000}
		c := f.client(w, "MAIL FROM:<flapping@contoso.com>")
		saw, r := c.run(), w.record()
		isRefused := saw == refused && slices.Contains(is(record.ReasonDNSFailed, record.ReasonNameNotFound), r.Reason)
		isDone := saw == done && r.Reason == ""
		if !isDone && (m == answers || !isRefused) {
			t.Errorf("the client sees: %s; the record is %s %q (%v)", saw, r.Outcome, r.Reason, r.Err)
		}
	}
	w.compare()
}
