package mailbox

import (
	"bufio"
	"encoding/base64"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

const (
	// maxPOPLine is more than the 255 octets of RFC 2449, section 4.
	maxPOPLine = 512
	// maxPOPToken is how long a line may be where tokens are taken (RFC 5034,
	// section 4, has no bound).
	maxPOPToken = 12288
	// badAuthentication is what Microsoft says to AUTH.
	badAuthentication = "Authentication failure: unknown user name or bad password."
)

// A popSession is one connection.
type popSession struct {
	server *fakem365.Server
	drops  *maildrops
	conn   net.Conn
	end    time.Time // the connection's
	in     *bufio.Reader
	popReplies

	secure bool
	user   string          // by USER
	opened *popTransaction // nil until PASS has opened the maildrop
	over   bool
}

// popReplies writes replies. A client that is gone needs none, and the next read
// fails.
type popReplies struct{ out *textproto.Writer }

func (r popReplies) ok(text string)  { _ = r.out.PrintfLine("%s", strings.TrimSpace("+OK "+text)) }
func (r popReplies) err(text string) { _ = r.out.PrintfLine("-ERR %s", text) }

func (r popReplies) lines(data []byte) {
	r.ok("")
	dots := r.out.DotWriter()
	_, _ = dots.Write(data)
	_ = dots.Close()
}

func newPOPSession(s *fakem365.Server, m *maildrops, conn net.Conn) *popSession {
	p := &popSession{server: s, drops: m, end: time.Now().Add(fakem365.ConnectionTimeout)}
	p.use(conn)
	return p
}

func (p *popSession) use(conn net.Conn) {
	p.conn = conn
	size := maxPOPLine
	if p.drops.options.Tokens != nil {
		size = maxPOPToken
	}
	p.in = bufio.NewReaderSize(conn, size)
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
		line, err := p.readLine()
		if err != nil {
			break
		}
		p.command(line)
	}
	_ = p.conn.Close() // with close_notify, where there is TLS
}

// readLine reads a line; one that is too long ends the session.
func (p *popSession) readLine() (string, error) {
	line, err := p.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		p.refuse()
	}
	return strings.TrimRight(string(line), "\r\n"), err
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

// command answers a line.
func (p *popSession) command(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	if run := p.commands()[strings.ToUpper(verb)]; run != nil {
		run(rest)
		return
	}
	p.err("Command is not valid in this state.")
}

// commands returns those of the session's state, RFC 1939 sections 4 to 6.
func (p *popSession) commands() map[string]func(string) {
	commands := map[string]func(string){}
	switch {
	case p.opened != nil:
		commands = p.opened.commands()
	case p.secure:
		commands["USER"], commands["PASS"] = p.name, p.pass
		if p.drops.options.Tokens != nil {
			commands["AUTH"] = p.auth
		}
	default:
		commands["STLS"] = p.stls
	}
	commands["CAPA"], commands["QUIT"] = p.capa, p.quit
	return commands
}

func (p *popSession) capa(string) {
	capabilities := "TOP\r\nUIDL\r\n"
	switch {
	case !p.secure:
		capabilities += "STLS\r\n"
	case p.opened == nil && p.drops.options.Tokens != nil:
		capabilities += "USER\r\nSASL PLAIN XOAUTH2\r\n"
	case p.opened == nil:
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
	if p.drops.options.Accounts.Open(p.user, password) == nil || p.drops.options.Tokens != nil {
		p.err("Logon failure: unknown user name or bad password.")
		return
	}
	p.enter()
	p.ok("User successfully logged on.")
}

// enter opens the maildrop of the user.
func (p *popSession) enter() {
	p.opened = &popTransaction{popReplies: p.popReplies, messages: p.drops.of(p.user)}
}

// auth is AUTH (RFC 5034). Microsoft takes no answer in the same line.
func (p *popSession) auth(mechanism string) {
	login := &fakem365.TokenLogin{Open: p.openByToken, Challenge: p.drops.options.Challenge}
	if !strings.EqualFold(mechanism, "XOAUTH2") {
		p.err(badAuthentication)
		return
	}
	challenge, done, err := login.Next(nil)
	for !done {
		asked := "+ " + base64.StdEncoding.EncodeToString(challenge)
		_ = p.out.PrintfLine("%s", strings.TrimSpace(asked)) // the next read fails
		line, lost := p.readLine()
		response, wrong := base64.StdEncoding.DecodeString(line)
		switch {
		case lost != nil:
			p.over = true
			return
		case wrong != nil: // a "*" among them
			p.err("The AUTH protocol exchange was canceled by the client.")
			return
		}
		challenge, done, err = login.Next(response)
	}
	if err != nil {
		p.err(badAuthentication)
		return
	}
	p.ok("User successfully authenticated.")
}

// openByToken opens the maildrop of an address by a token.
func (p *popSession) openByToken(address, token string) error {
	needed := fakem365.Permission{Role: "POP.AccessAsApp", Scope: "POP.AccessAsUser.All"}
	if p.drops.options.openByToken(needed, address, token) == nil {
		return errors.New("the token does not open the mailbox")
	}
	p.user = address
	p.enter()
	return nil
}

func (p *popSession) quit(string) {
	if p.opened != nil {
		p.drops.remove(p.user, p.opened.deleted)
	}
	p.ok("Microsoft Exchange Server POP3 server signing off.")
	p.over = true
}
