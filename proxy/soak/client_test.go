package soak

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/tlslift/tlslift/proxy/fakem365/legacyclient"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
)

// clientFacts are what a client knows of one connection.
type clientFacts struct {
	tried   []string // mails that it began to send
	lifted  bool     // its TLS ended at tlslift, or it has none
	refused bool     // it was told that something is not possible
	begun   bool     // its TLS is complete, or it goes on without
	whole   bool     // it did all that it wanted
	broke   bool     // it broke off in the middle of something
}

// A client is one connection of a client.
type client struct {
	*worker

	plan  *plan
	facts clientFacts
	raw   *net.TCPConn
	conn  net.Conn // inside its TLS, if that has begun
	r     *bufio.Reader
}

// run does what the plan says, to the end of the connection.
func (c *client) run() {
	which := 0
	if c.plan.impatient {
		which = 1
	}
	c.raw = c.world.dial(c.source(), c.world.at[which][c.plan.entry.name][c.number])
	if c.raw == nil {
		return
	}
	defer c.raw.Close()
	c.use(c.raw)
	if c.plan.kind == healthCheck {
		c.endEarly()
		return
	}
	if c.plan.entry.scheme == listener.SchemeRedirect {
		_, _ = fmt.Fprintf(c.raw, "PROXY TCP4 %s 203.0.113.7 40000 %d\r\n", c.address(), c.plan.entry.port)
	}
	if c.plan.kind == portCheck {
		_ = c.raw.Close()
		return
	}
	if !c.connect() {
		return
	}
	switch {
	case c.plan.kind.hasSession():
		c.session()
	case c.plan.kind == monitor:
		c.monitor()
	case c.plan.entry.implicit() || c.startTLS():
		c.spoil()
	}
}

// endEarly closes or resets at once.
func (c *client) endEarly() {
	if c.plan.second {
		c.reset()
	}
	_ = c.raw.Close()
}

func (c *client) reset() {
	_ = c.raw.SetLinger(0)
	_ = c.raw.Close()
}

func (c *client) use(conn net.Conn) { c.conn, c.r = conn, bufio.NewReader(conn) }

// host is the destination.
func (c *client) host() string {
	switch c.plan.kind {
	case unreachable:
		return deadHost
	case picky:
		return pickyHost(c.number)
	}
	return hostOf(c.number)
}

// connect asks an HTTP proxy for a tunnel.
func (c *client) connect() bool {
	if c.plan.entry.scheme != listener.SchemeProxy {
		return true
	}
	_, _ = fmt.Fprintf(c.conn, "CONNECT %s:%d HTTP/1.1\r\nHost: x\r\n\r\n", c.host(), c.plan.entry.port)
	head := c.line()
	for line := head; line != ""; line = c.line() {
	}
	c.facts.refused = !strings.Contains(head, " 200 ")
	return !c.facts.refused
}

// line reads a line; it is empty at the end.
func (c *client) line() string {
	text, _ := c.r.ReadString('\n')
	return strings.TrimRight(text, "\r\n")
}

// config is the client's TLS.
func (c *client) config() *tls.Config {
	cfg := &tls.Config{ServerName: c.host(), RootCAs: c.roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}
	rsaOnly := []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}
	switch c.plan.kind {
	case tls10, distrusting:
		if c.plan.second {
			cfg.CipherSuites = rsaOnly
		}
	case tls11:
		cfg.MaxVersion = tls.VersionTLS11
	case tls12RSA:
		cfg.MaxVersion, cfg.CipherSuites = tls.VersionTLS12, rsaOnly
	case tls12:
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	case tls13:
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS13
	case picky:
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS13
		cfg.CurvePreferences = []tls.CurveID{tls.CurveP384}
	case rc4:
		cfg.CipherSuites = []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}
	}
	if c.plan.kind == distrusting {
		cfg.RootCAs = x509.NewCertPool()
	} else if c.plan.size > 1000 {
		cfg.ClientSessionCache = c.sessions[c.plan.kind]
	}
	return cfg
}

// handshake begins TLS.
func (c *client) handshake() bool {
	secure := tls.Client(c.raw, c.config())
	if err := secure.HandshakeContext(c.world.t.Context()); err != nil {
		return false
	}
	leaf := secure.ConnectionState().PeerCertificates[0]
	c.facts.lifted = bytes.Equal(leaf.RawIssuer, c.world.ca.Certificate().RawSubject)
	c.facts.begun = true
	c.use(secure)
	return true
}

// startTLS goes as far as the reply that lets TLS begin.
func (c *client) startTLS() bool {
	switch c.plan.entry.protocol() {
	case record.ProtocolSMTP:
		return c.reply() == "220" && c.say("EHLO printer") == "250" && c.say("STARTTLS") == "220"
	case record.ProtocolIMAP:
		return strings.HasPrefix(c.line(), "* OK") && c.ask("a", "CAPABILITY") && c.ask("b", "STARTTLS")
	case record.ProtocolPOP3:
		return c.pop("") && c.pop("CAPA") && c.pop("STLS")
	}
	return true
}

// spoil is what a client does that has no session, where TLS would begin.
func (c *client) spoil() {
	hello := "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x01"
	switch c.plan.kind {
	case halfHello:
		_, _ = io.WriteString(c.raw, hello)
		c.endEarly()
	case stalled:
		_, _ = io.WriteString(c.raw, hello)
		_, _ = io.Copy(io.Discard, c.raw)
	case garbage:
		_, _ = io.WriteString(c.raw, "\x01\x02\x03 this is no TLS\r\n\r\n")
		_, _ = io.Copy(io.Discard, c.raw)
	default:
		_ = c.handshake()
	}
}

// monitor looks whether the mail server answers.
func (c *client) monitor() {
	_ = c.reply()
	_ = c.say("EHLO monitor")
	_ = c.say("QUIT")
}

// session is a whole session.
func (c *client) session() {
	e := c.plan.entry
	if c.plan.kind == sslv2 {
		c.getSSLv2()
		return
	}
	switch {
	case c.plan.kind == plain:
		c.facts.lifted, c.facts.begun = true, true
	case !e.implicit() && !c.startTLS(), !c.handshake():
		c.facts.refused = true
		return
	}
	greets := e.implicit() || c.plan.kind == plain
	switch e.protocol() {
	case record.ProtocolSMTP:
		c.smtp(greets)
	case record.ProtocolIMAP:
		c.imap(greets)
	case record.ProtocolPOP3:
		c.popSession(greets)
	default:
		_, _ = fmt.Fprintf(c.conn, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", c.host())
		if c.isBrokenInside() {
			return
		}
		answer, _ := io.ReadAll(c.r)
		c.facts.whole = len(answer) > c.plan.size
		c.end("")
	}
}

func (c *client) getSSLv2() {
	answer, err := legacyclient.Get(c.raw, &url.URL{Scheme: "https", Host: c.host(), Path: "/"}, c.roots)
	c.facts.lifted, c.facts.begun = true, err == nil
	c.facts.whole = len(answer) > c.plan.size
}

// end ends the session as the plan says; bye is the command for that, if there is
// one.
func (c *client) end(bye string) {
	f := c.plan.finish
	if f == resetAfter {
		c.reset()
		return
	}
	if bye != "" && f != noQuit {
		_, _ = io.WriteString(c.conn, bye+"\r\n")
		if f != abandons {
			_, _ = io.Copy(io.Discard, c.r)
		}
	}
	if f != quitsFIN {
		_ = c.conn.Close()
	}
	_ = c.raw.Close()
}

// breakOff ends the session in the middle of something.
func (c *client) breakOff() {
	c.facts.broke = true
	switch c.plan.finish {
	case resetInData, resetBefore, resetInside:
		c.reset()
	case closeInData, leaveBefore:
		_ = c.conn.Close()
	case silentIn:
		_, _ = io.Copy(io.Discard, c.r)
	}
	_ = c.raw.Close()
}

// isBrokenInside breaks off in the middle of what is read, if the plan says so.
func (c *client) isBrokenInside() bool {
	if c.plan.finish != resetInside {
		return false
	}
	if _, err := c.r.Peek(min(c.plan.size/2, 1000)); err == nil {
		c.breakOff()
	}
	return true
}

// imap reads a mailbox and puts a mail into it.
func (c *client) imap(greets bool) {
	if greets && !strings.HasPrefix(c.line(), "* OK") {
		return
	}
	if !c.ask("c", "LOGIN scanner secret") {
		c.facts.refused = true
		if c.plan.react == again {
			_ = c.ask("d", "LOGIN scanner secret")
		}
		c.leave("e LOGOUT")
		return
	}
	if !c.ask("f", "SELECT INBOX") {
		return
	}
	if c.plan.finish == resetInside {
		_, _ = io.WriteString(c.conn, "g FETCH 1 BODY[]\r\n")
		_ = c.isBrokenInside()
		return
	}
	if !c.ask("g", "FETCH 1 BODY[]") {
		return
	}
	if c.plan.second && !c.append() {
		return
	}
	c.facts.whole = true
	c.end("h LOGOUT")
}

// append puts a mail into the mailbox.
func (c *client) append() bool {
	_, _ = fmt.Fprintf(c.conn, "i APPEND INBOX {%d}\r\n", c.plan.size)
	if !strings.HasPrefix(c.line(), "+") {
		return false
	}
	text := strings.Repeat("x", c.plan.size)
	if f := c.plan.finish; f == resetInData || f == closeInData || f == finInData {
		_, _ = io.WriteString(c.conn, text[:len(text)/2])
		c.breakOff()
		return false
	}
	return c.ask("i", text)
}

// ask sends a command and reads to its tagged reply; true means OK. The tag i is that
// of what was begun before.
func (c *client) ask(tag, command string) bool {
	if tag != "i" {
		command = tag + " " + command
	}
	_, _ = io.WriteString(c.conn, command+"\r\n")
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return false
		}
		if rest, is := strings.CutPrefix(line, tag+" "); is {
			return strings.HasPrefix(rest, "OK")
		}
	}
}

// leave ends a session in which something was refused.
func (c *client) leave(bye string) {
	if c.plan.react != leave {
		_, _ = io.WriteString(c.conn, bye+"\r\n")
		_, _ = io.Copy(io.Discard, c.r)
	}
	_ = c.conn.Close()
}

// popSession reads a mailbox.
func (c *client) popSession(greets bool) {
	if greets && !c.pop("") {
		return
	}
	if !c.pop("USER scanner") || !c.pop("PASS secret") {
		c.facts.refused = true
		c.leave("QUIT")
		return
	}
	if !c.pop("STAT") {
		return
	}
	if c.plan.finish == resetInside {
		_, _ = io.WriteString(c.conn, "RETR 1\r\n")
		_ = c.isBrokenInside()
		return
	}
	if !c.pop("RETR 1") {
		return
	}
	c.facts.whole = true
	c.end("QUIT")
}

// pop sends a command, if there is one, and reads the whole reply; true means +OK.
func (c *client) pop(command string) bool {
	if command != "" {
		_, _ = io.WriteString(c.conn, command+"\r\n")
	}
	if !strings.HasPrefix(c.line(), "+OK") {
		return false
	}
	if command != "RETR 1" && command != "CAPA" {
		return true
	}
	for {
		line, err := c.r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return err == nil
		}
	}
}
