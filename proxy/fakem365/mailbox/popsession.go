package mailbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// maxPOPLine is more than the 255 octets of RFC 2449, section 4.
const maxPOPLine = 512

// A popSession is one connection.
type popSession struct {
	server *fakem365.Server
	drops  *maildrops
	conn   net.Conn
	end    time.Time // the connection's
	in     *bufio.Reader
	out    *textproto.Writer

	secure   bool
	user     string // by USER; PASS makes it open
	open     bool
	messages []*popMessage // as they were at PASS
	deleted  []*popMessage // those of them that QUIT is to remove
	over     bool
}

func newPOPSession(s *fakem365.Server, m *maildrops, conn net.Conn) *popSession {
	p := &popSession{server: s, drops: m, end: time.Now().Add(fakem365.ConnectionTimeout)}
	p.use(conn)
	return p
}

func (p *popSession) use(conn net.Conn) {
	p.conn = conn
	p.in = bufio.NewReaderSize(conn, maxPOPLine)
	p.out = textproto.NewWriter(bufio.NewWriter(conn))
}

func (p *popSession) handshake() bool {
	secure, err := p.server.Handshake(p.conn)
	if err != nil {
		return false
	}
	p.secure = true
	p.use(secure)
	return true
}

// talk greets, and answers commands until the client has quit.
func (p *popSession) talk() {
	p.ok("The Microsoft Exchange POP3 service is ready. " + service)
	for !p.over && p.limit() {
		line, err := p.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			p.refuse()
		}
		if err != nil {
			break
		}
		p.command(strings.TrimRight(string(line), "\r\n"))
	}
	_ = p.conn.Close() // with close_notify, where there is TLS
}

// refuse ends a session of which nothing more is to be read.
func (p *popSession) refuse() {
	p.err("Protocol error. Connection is closed.")
	fakem365.Linger(p.conn)
	p.over = true
}

// limit gives the client its time for a command, and for its answer.
func (p *popSession) limit() bool {
	deadline := time.Now().Add(fakem365.CommandTimeout)
	if deadline.After(p.end) {
		deadline = p.end
	}
	return p.conn.SetDeadline(deadline) == nil
}

// command answers a line. The session's state, RFC 1939 sections 4 to 6, limits
// the commands that there are.
func (p *popSession) command(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	commands := p.authorization()
	if p.open {
		commands = p.transaction()
	}
	if run := commands[verb]; run != nil {
		run(rest)
		return
	}
	p.err("Command is not valid in this state.")
}

func (p *popSession) authorization() map[string]func(string) {
	commands := map[string]func(string){"CAPA": p.capa, "QUIT": p.quit}
	if p.secure {
		commands["USER"], commands["PASS"] = p.name, p.pass
	} else {
		commands["STLS"] = p.stls
	}
	return commands
}

func (p *popSession) transaction() map[string]func(string) {
	return map[string]func(string){
		"CAPA": p.capa, "QUIT": p.quit, "NOOP": p.noop, "STAT": p.stat, "LIST": p.list, "UIDL": p.uidl,
		"RETR": p.retr, "TOP": p.top, "DELE": p.dele, "RSET": p.rset,
	}
}

// A client that is gone needs no answer, and the next read fails.
func (p *popSession) ok(text string)  { _ = p.out.PrintfLine("%s", strings.TrimSpace("+OK "+text)) }
func (p *popSession) err(text string) { _ = p.out.PrintfLine("-ERR %s", text) }

func (p *popSession) lines(data []byte) {
	p.ok("")
	dots := p.out.DotWriter()
	_, _ = dots.Write(data)
	_ = dots.Close()
}

func (p *popSession) capa(string) {
	capabilities := "TOP\r\nUIDL\r\n"
	switch {
	case !p.secure:
		capabilities += "STLS\r\n"
	case !p.open:
		capabilities += "USER\r\n"
	}
	p.lines([]byte(capabilities))
}

func (p *popSession) stls(string) {
	// What came early is not TLS, and may be an attacker's.
	if p.in.Buffered() > 0 {
		p.refuse()
		return
	}
	p.ok("Begin TLS negotiation.")
	p.over = !p.handshake()
}

func (p *popSession) name(user string) {
	p.user = user
	p.ok("")
}

func (p *popSession) pass(password string) {
	if p.drops.options.Accounts.Open(p.user, password) == nil {
		p.err("Logon failure: unknown user name or bad password.")
		return
	}
	p.open = true
	p.messages = p.drops.of(p.user)
	p.ok("User successfully logged on.")
}

func (p *popSession) quit(string) {
	if p.open {
		p.drops.remove(p.user, p.deleted)
	}
	p.ok("Microsoft Exchange Server POP3 server signing off.")
	p.over = true
}

func (p *popSession) noop(string) { p.ok("") }

func (p *popSession) stat(string) {
	count, size := 0, 0
	for _, m := range p.messages {
		if p.has(m) {
			count++
			size += len(m.data)
		}
	}
	p.ok(fmt.Sprintf("%d %d", count, size))
}

func (p *popSession) has(m *popMessage) bool { return !slices.Contains(p.deleted, m) }

func (p *popSession) list(number string) {
	p.scan(number, func(m *popMessage) int { return len(m.data) })
}

func (p *popSession) uidl(number string) {
	p.scan(number, func(m *popMessage) int { return m.uid })
}

// scan lists one message, or all of them when there is no number.
func (p *popSession) scan(number string, of func(*popMessage) int) {
	if number != "" {
		if m := p.find(number); m != nil {
			p.ok(fmt.Sprintf("%s %d", number, of(m)))
		}
		return
	}
	var all bytes.Buffer
	for i, m := range p.messages {
		if p.has(m) {
			fmt.Fprintf(&all, "%d %d\r\n", i+1, of(m))
		}
	}
	p.lines(all.Bytes())
}

// find returns a message by its number. When there is none, it is nil and the
// client gets an error.
func (p *popSession) find(number string) *popMessage {
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n < 1 || n > uint64(len(p.messages)) || !p.has(p.messages[n-1]) {
		p.err("The message number is not valid.")
		return nil
	}
	return p.messages[n-1]
}

func (p *popSession) retr(number string) {
	if m := p.find(number); m != nil {
		p.lines(m.data)
	}
}

func (p *popSession) top(arguments string) {
	number, lines, _ := strings.Cut(arguments, " ")
	n, err := strconv.ParseUint(lines, 10, 31)
	if err != nil {
		p.err("The number of lines is not valid.")
		return
	}
	if m := p.find(number); m != nil {
		p.lines(head(m.data, int(n)))
	}
}

// head returns the header of a message, and n lines after it.
func head(message []byte, n int) []byte {
	_, body, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	for range n {
		_, rest, more := bytes.Cut(body, []byte("\r\n"))
		body = rest
		if !more {
			break
		}
	}
	return message[:len(message)-len(body)]
}

func (p *popSession) dele(number string) {
	if m := p.find(number); m != nil {
		p.deleted = append(p.deleted, m)
		p.ok("")
	}
}

func (p *popSession) rset(string) {
	p.deleted = nil
	p.ok("")
}
