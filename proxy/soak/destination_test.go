package soak

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A farEnd is all destinations of one worker.
type farEnd struct {
	world    *world
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	plan  *plan
	facts *farFacts
	open  *sync.WaitGroup // connections of the plan
}

// farFacts are what a destination knows of one connection of a client.
type farFacts struct {
	answered     map[string]bool // mails that were stored, and answered with a positive reply
	transactions int             // of mails
	signIns      int             // attempts
	refused      bool            // the last of them
	departed     bool            // it did what the plan says
	whole        bool            // the session went through to its end
}

// newFarEnd listens; serve begins.
func newFarEnd(t *testing.T) *farEnd {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return &farEnd{listener: ln}
}

func (f *farEnd) serve(t *testing.T, w *world) {
	f.world = w
	f.running.Go(func() {
		for {
			conn, err := f.listener.Accept()
			if err != nil {
				return
			}
			p := f.newPeer(conn.(*net.TCPConn))
			f.running.Go(p.carry)
		}
	})
	t.Cleanup(f.stop)
}

// stop ends it. It may be called more than once.
func (f *farEnd) stop() {
	_ = f.listener.Close()
	f.running.Wait()
}

// begin makes the destination do what a plan says.
func (f *farEnd) begin(p *plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.facts, f.open = p, &farFacts{answered: map[string]bool{}}, new(sync.WaitGroup)
}

// known returns what it knows when its connections have ended.
func (f *farEnd) known() farFacts {
	f.mu.Lock()
	open := f.open
	f.mu.Unlock()
	open.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return *f.facts
}

// A peer is one connection to a destination.
type peer struct {
	*farEnd

	plan   *plan
	facts  *farFacts
	raw    *net.TCPConn
	conn   net.Conn // inside its TLS, if that has begun
	r      *bufio.Reader
	open   *sync.WaitGroup
	secure bool
}

func (f *farEnd) newPeer(conn *net.TCPConn) *peer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open.Add(1)
	return &peer{farEnd: f, plan: f.plan, facts: f.facts, open: f.open, raw: conn, conn: conn, r: bufio.NewReader(conn)}
}

func (p *peer) carry() {
	defer p.open.Done()
	defer p.raw.Close()
	_ = p.raw.SetDeadline(time.Now().Add(testenv.Patience))
	if p.plan.entry.upstreamImplicit() && !p.handshake() {
		return
	}
	switch p.plan.entry.protocol() {
	case record.ProtocolSMTP:
		p.smtp()
	case record.ProtocolIMAP:
		p.imap()
	case record.ProtocolPOP3:
		p.pop()
	default:
		p.web()
	}
}

// know changes the facts.
func (p *peer) know(change func(*farFacts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p.facts)
}

var errPicky = errors.New("there is no X25519 in this hello")

// handshake begins TLS.
func (p *peer) handshake() bool {
	config := p.world.good
	if p.plan.at == atHandshake {
		bad := p.world.bad[p.plan.does]
		p.know(func(f *farFacts) { f.departed = true })
		if bad == nil {
			_, _ = p.raw.Read(make([]byte, 1))
			p.perform("")
			return false
		}
		config = bad
	}
	if p.plan.kind == picky {
		config = config.Clone()
		config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if !slices.Contains(h.SupportedCurves, tls.X25519) {
				return nil, errPicky
			}
			return nil, nil
		}
	}
	secure := tls.Server(p.raw, config)
	if err := secure.HandshakeContext(p.world.t.Context()); err != nil {
		p.drain()
		return false
	}
	p.conn, p.r, p.secure = secure, bufio.NewReader(secure), true
	return true
}

// drain half-closes and reads to the end, so that no reset overtakes what was sent.
func (p *peer) drain() {
	_ = p.raw.CloseWrite()
	_, _ = io.Copy(io.Discard, p.raw)
}

// finish closes properly.
func (p *peer) finish() {
	if c, ok := p.conn.(*tls.Conn); ok {
		_ = c.CloseWrite()
	}
	p.drain()
}

// departs does what the plan says for this stage, if it says anything. over means
// that the connection has ended by that.
func (p *peer) departs(at stage, prefix string) (done, over bool) {
	if p.plan.at != at {
		return false, false
	}
	p.know(func(f *farFacts) { f.departed = true })
	return true, p.perform(prefix)
}

// perform does it; true means that the connection has ended.
func (p *peer) perform(prefix string) bool {
	switch p.plan.does {
	case replies:
		p.say(prefix + p.plan.reply)
		return false
	case repliesEnds:
		p.say(p.plan.reply)
		p.finish()
	case closes, ends:
		p.finish()
	case fins:
		if p.plan.second {
			p.drain()
		}
		_ = p.raw.Close()
	case resets:
		_ = p.raw.SetLinger(0)
		_ = p.raw.Close()
	case stalls:
		_, _ = io.Copy(io.Discard, p.raw)
	}
	return true
}

func (p *peer) say(text string) { _, _ = io.WriteString(p.conn, text+"\r\n") }

// line reads a line; false means that there is none.
func (p *peer) line() (string, bool) {
	text, err := p.r.ReadString('\n')
	return strings.TrimRight(text, "\r\n"), err == nil
}

// web is a web server that serves one request.
func (p *peer) web() {
	for line, ok := p.line(); line != ""; line, ok = p.line() {
		if !ok {
			return
		}
	}
	if _, over := p.departs(atCommand, ""); over {
		return
	}
	p.say(fmt.Sprintf("HTTP/1.0 200 OK\r\nContent-Length: %d\r\n", p.plan.size))
	if p.content() {
		return
	}
	if _, over := p.departs(afterAll, ""); over {
		return
	}
	p.know(func(f *farFacts) { f.whole = true })
	p.finish()
}

// content sends what a client has asked for; true means that the connection has ended.
func (p *peer) content() bool {
	text := strings.Repeat("x", p.plan.size)
	_, _ = io.WriteString(p.conn, text[:p.plan.size/2])
	if p.plan.finish == resetInside {
		_, _ = io.Copy(io.Discard, p.raw)
		return true
	}
	if _, over := p.departs(inContent, ""); over {
		return true
	}
	_, _ = io.WriteString(p.conn, text[p.plan.size/2:])
	return false
}

// imap is an IMAP server.
func (p *peer) imap() {
	if _, over := p.departs(atGreeting, ""); over {
		return
	}
	p.say("* OK ready")
	for {
		line, ok := p.line()
		tag, rest, _ := strings.Cut(line, " ")
		verb, _, _ := strings.Cut(rest, " ")
		if !ok || p.imapCommand(tag, strings.ToUpper(verb), rest) {
			return
		}
	}
}

// imapCommand answers a command; true means that the connection has ended.
func (p *peer) imapCommand(tag, verb, args string) bool {
	switch verb {
	case "CAPABILITY":
		if _, over := p.departs(atEHLO, ""); over {
			return true
		}
		p.say("* CAPABILITY IMAP4rev1 STARTTLS")
	case "STARTTLS":
		p.say(tag + " OK begin TLS")
		return !p.handshake()
	case "LOGIN":
		return p.imapLogin(tag)
	case "SELECT":
		if done, over := p.departs(atCommand, ""); done {
			return over
		}
	case "FETCH":
		p.say(fmt.Sprintf("* 1 FETCH (BODY[] {%d}", p.plan.size))
		if p.content() {
			return true
		}
		p.say(")")
	case "APPEND":
		size := 0
		_, _ = fmt.Sscanf(args[strings.Index(args, "{"):], "{%d}", &size)
		p.say("+ go on")
		if _, err := io.CopyN(io.Discard, p.r, int64(size+2)); err != nil {
			return true
		}
	case "LOGOUT":
		p.say("* BYE bye\r\n" + tag + " OK done")
		p.know(func(f *farFacts) { f.whole = true })
		p.finish()
		return true
	}
	p.say(tag + " OK done")
	return false
}

func (p *peer) imapLogin(tag string) bool {
	p.know(func(f *farFacts) { f.signIns++ })
	done, over := p.departs(atSignIn, tag+" ")
	p.know(func(f *farFacts) { f.refused = done && !over })
	if !done {
		p.say(tag + " OK done")
	}
	return over
}

// pop is a POP3 server.
func (p *peer) pop() {
	if _, over := p.departs(atGreeting, ""); over {
		return
	}
	p.say("+OK ready")
	for {
		line, ok := p.line()
		verb, _, _ := strings.Cut(line, " ")
		if !ok || p.popCommand(strings.ToUpper(verb)) {
			return
		}
	}
}

// popCommand answers a command; true means that the connection has ended.
func (p *peer) popCommand(verb string) bool {
	at := map[string]stage{"CAPA": atEHLO, "USER": atUSER, "PASS": atSignIn, "STAT": atCommand}[verb]
	if at != never {
		done, over := p.departs(at, "")
		p.know(func(f *farFacts) { f.refused = f.refused || done && !over })
		if done {
			return over
		}
	}
	switch verb {
	case "CAPA":
		p.say("+OK\r\nSTLS\r\nUSER\r\n.")
	case "STLS":
		p.say("+OK begin TLS")
		return !p.handshake()
	case "RETR":
		p.say("+OK")
		if p.content() {
			return true
		}
		p.say("\r\n.")
	case "QUIT":
		p.say("+OK bye")
		p.know(func(f *farFacts) { f.whole = true })
		p.finish()
		return true
	default:
		p.say("+OK")
	}
	return false
}
