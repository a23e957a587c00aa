package faults

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// A phase is a moment in the session of a client, just before what it names.
type phase string

// The phases, in their order.
const (
	atGreeting  phase = "before the greeting"
	atSTARTTLS  phase = "before STARTTLS"
	atHello     phase = "before the hello"
	inHello     phase = "in the middle of the hello"
	inHandshake phase = "in the handshake"
	atOpening   phase = "before EHLO"
	atMAIL      phase = "before MAIL"
	atDATA      phase = "before DATA"
	inMail      phase = "in the middle of a mail"
	atEnd       phase = "before the end of a mail"
	after250    phase = "after the mail was accepted"
	atRequest   phase = "before a request"
	inAnswer    phase = "in the middle of an answer"
	afterAnswer phase = "after an answer"
)

// What a client sees.
type sight string

// The sights.
const (
	done    sight = "all is done"
	refused sight = "it is refused" // in the words of its own protocol, or by an alert
	cut     sight = "it is cut off"
	ended   sight = "its connection ends orderly"
)

// sightOf says what an error at an end looks like to a client.
func sightOf(err error) sight {
	var alert tls.AlertError
	switch {
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		return refused
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return ended
	}
	return cut
}

// A client is a client of SMTP or of a web server. At says what happens at a phase.
type client struct {
	world *world
	max   uint16 // its newest TLS
	size  int    // of the mail or of the answer
	from  string // the sender of its mail
	at    func(phase)

	raw  *net.TCPConn
	conn net.Conn
	r    *bufio.Reader
}

// text is its mail.
func (c *client) text() string { return strings.Repeat("0123456789abcdef\r\n", 1+c.size/18) }

// run has a whole session, and says what it sees at the end.
func (c *client) run() sight {
	c.raw = c.world.dial()
	defer c.raw.Close()
	c.conn, c.r = c.raw, bufio.NewReader(c.raw)
	if c.at == nil {
		c.at = func(phase) {}
	}
	if !c.world.far.isMail {
		return c.get()
	}
	return c.mail()
}

// handshake begins TLS.
func (c *client) handshake() error {
	c.at(atHello)
	conn := net.Conn(c.raw)
	if c.world.far.isMail || c.max < tls.VersionTLS13 {
		conn = &halves{Conn: c.raw, middle: func() { c.at(inHello) }}
	}
	secure := tls.Client(conn, c.world.config(c.max))
	if err := secure.HandshakeContext(c.world.t.Context()); err != nil {
		return err
	}
	c.conn, c.r = secure, bufio.NewReader(secure)
	return nil
}

// halves is a connection whose first write has a middle.
type halves struct {
	net.Conn

	middle func()
}

// Write implements net.Conn.
func (h *halves) Write(p []byte) (int, error) {
	if h.middle == nil || len(p) < 40 {
		return h.Conn.Write(p)
	}
	middle := h.middle
	h.middle = nil
	n, err := h.Conn.Write(p[:len(p)/2])
	if err != nil {
		return n, err
	}
	middle()
	m, err := h.Conn.Write(p[len(p)/2:])
	return n + m, err
}

// A replyError is a negative reply.
type replyError string

func (e replyError) Error() string { return string(e) }

// say sends a command, if there is one, and reads the reply.
func (c *client) say(command, want string) error {
	if command != "" {
		if _, err := io.WriteString(c.conn, command+"\r\n"); err != nil {
			return err
		}
	}
	for {
		line, err := c.r.ReadString('\n')
		switch {
		case err != nil:
			return err
		case !strings.HasPrefix(line, want):
			return replyError(line)
		case len(line) < 4 || line[3] != '-':
			return nil
		}
	}
}

// mail sends a mail.
func (c *client) mail() sight {
	steps := []struct {
		at      phase
		command string
		want    string
	}{
		{atGreeting, "", "220"},
		{"", "EHLO printer", "250"},
		{atSTARTTLS, "STARTTLS", "220"},
		{atOpening, "EHLO printer", "250"},
		{atMAIL, c.from, "250"},
		{"", "RCPT TO:<archive@contoso.com>", "250"},
		{atDATA, "DATA", "354"},
		{inMail, "", ""},
		{atEnd, ".", "250"},
		{after250, "QUIT", "221"},
	}
	var err error
	for _, s := range steps {
		switch {
		case s.at == atOpening:
			if err = c.handshake(); err == nil {
				c.at(s.at)
				err = c.say(s.command, s.want)
			}
		case s.at == inMail:
			text := c.text()
			_, _ = io.WriteString(c.conn, text[:len(text)/2])
			c.at(inMail)
			_, err = io.WriteString(c.conn, text[len(text)/2:])
		default:
			c.at(s.at)
			err = c.say(s.command, s.want)
		}
		if err != nil {
			return c.see(err)
		}
	}
	return done
}

// see says what an error means.
func (c *client) see(err error) sight {
	var reply replyError
	if errors.As(err, &reply) {
		return refused
	}
	return sightOf(err)
}

// get asks for something, and reads the answer.
func (c *client) get() sight {
	if err := c.handshake(); err != nil {
		return c.see(err)
	}
	c.at(atRequest)
	if _, err := fmt.Fprintf(c.conn, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", c.size); err != nil {
		return c.see(err)
	}
	left := len(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", c.size)) + c.size
	if _, err := io.CopyN(io.Discard, c.r, int64(left/16)); err != nil {
		return c.see(err)
	}
	c.at(inAnswer)
	if _, err := io.CopyN(io.Discard, c.r, int64(left-left/16)); err != nil {
		return c.see(err)
	}
	c.at(afterAnswer)
	if s, is := c.conn.(*tls.Conn); is {
		_ = s.Close()
	}
	return done
}
