package soak

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// say sends a command and returns the code of the reply; it is empty at the end.
func (c *client) say(command string) string {
	_, _ = io.WriteString(c.conn, command+"\r\n")
	return c.reply()
}

// reply reads a whole reply and returns its code.
func (c *client) reply() string {
	for {
		line := c.line()
		if len(line) < 4 {
			return ""
		}
		if line[3] != '-' {
			return line[:3]
		}
	}
}

// smtp sends mails.
func (c *client) smtp(greets bool) {
	if greets && c.reply() != "220" {
		return
	}
	if greets || !c.plan.noEHLO {
		verb := "EHLO"
		if c.plan.helo && c.plan.at == never {
			verb = "HELO"
		}
		if code := c.say(verb + " printer"); code != "250" {
			c.rejected(code)
			return
		}
	}
	if !c.signIn() {
		return
	}
	for i := range c.plan.mails {
		if !c.deliver(fmt.Sprintf("m%d-%d", c.plan.number, i), i == c.plan.mails-1) {
			return
		}
	}
	c.facts.whole = true
	c.end("QUIT")
}

// signIn is AUTH LOGIN; a temporary failure is tried again.
func (c *client) signIn() bool {
	for try := 0; ; try++ {
		code := c.say("AUTH LOGIN")
		if code == "334" {
			code = c.say("c2Nhbm5lcg==")
		}
		if code == "334" {
			code = c.say("c2VjcmV0")
		}
		switch {
		case code == "235":
			return true
		case try == 0 && code == "454" && c.plan.react == again:
			continue
		}
		c.rejected(code)
		return false
	}
}

// rejected ends a session in which nothing goes on.
func (c *client) rejected(code string) {
	if code == "" {
		_ = c.conn.Close()
		return
	}
	c.facts.refused = true
	c.leave("QUIT")
}

// deliver sends a mail; false means that the session has ended.
func (c *client) deliver(id string, last bool) bool {
	if !slices.Contains(c.facts.tried, id) {
		c.facts.tried = append(c.facts.tried, id)
	}
	code := c.mail(id, last)
	switch {
	case code == "250":
		return true
	case c.facts.broke:
		return false
	case code != "" && code != "421" && c.plan.react == nextOne && c.say("RSET") == "250":
		return true
	case (strings.HasPrefix(code, "4") || code == "530") && code != "421" && c.plan.react == again && c.say("RSET") == "250":
		return c.deliver(id, last)
	}
	c.rejected(code)
	return false
}

// mail sends a mail and returns the code of the last reply.
func (c *client) mail(id string, last bool) string {
	from := "scanner"
	if c.plan.number%2 == 0 {
		from = id
	}
	if code := c.say("MAIL FROM:<" + from + "@contoso.com> ENVID=" + id); code != "250" {
		return code
	}
	if code := c.say("RCPT TO:<archive@contoso.com>"); code != "250" {
		return code
	}
	if f := c.plan.finish; last && (f == leaveBefore || f == resetBefore) {
		c.breakOff()
		return ""
	}
	text := strings.Repeat("Subject: "+id+"\r\n", 2+c.plan.size/20)
	if c.plan.bdat {
		return c.chunks(text, last)
	}
	if code := c.say("DATA"); code != "354" {
		return code
	}
	if c.breaks(text, last) {
		return ""
	}
	_, _ = io.WriteString(c.conn, text)
	return c.say(".")
}

// chunks sends a mail with BDAT.
func (c *client) chunks(text string, last bool) string {
	if c.plan.size%3 == 0 {
		half := len(text) / 2
		if code := c.say(fmt.Sprintf("BDAT %d\r\n%s", half, text[:half-2])); code != "250" {
			return code
		}
		text = text[half:]
	}
	_, _ = fmt.Fprintf(c.conn, "BDAT %d LAST\r\n", len(text))
	if c.breaks(text, last) {
		return ""
	}
	_, _ = io.WriteString(c.conn, text)
	return c.reply()
}

// breaks breaks off in the middle of the last mail, if the plan says so.
func (c *client) breaks(text string, last bool) bool {
	switch c.plan.finish {
	case resetInData, closeInData, finInData, silentIn:
		if last {
			_, _ = io.WriteString(c.conn, text[:len(text)/2])
			c.breakOff()
			return true
		}
	}
	return false
}
