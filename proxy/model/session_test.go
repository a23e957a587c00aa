package model

import (
	"bytes"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// web is the state of a session of HTTP. In one that is no HTTP, the same bytes are sent.
type web struct {
	request, response int  // bytes that are still to come
	isAsked, isBegun  bool // a request, the response to it
}

// isOpen reports whether a request or its response is not whole.
func (w *web) isOpen() bool { return w.isAsked }

// A phase is how far a mail has got.
type phase uint8

const (
	noMail phase = iota
	afterMAIL
	afterRCPT
	inDATA
	rejected // and nothing else since
)

// mail is the state of a session of SMTP.
type mail struct {
	greeted  bool // EHLO has been answered
	phase    phase
	bad      bool // a mail has been rejected
	accepted int
	text     []byte // of the mail so far
}

// content draws bytes and how they are split.
func content(t *rapid.T) ([]byte, []int) {
	size := rapid.SampledFrom([]int{1, 2, 17, 300, 4096, 16384, 16385, 40000}).Draw(t, "size")
	pieces := rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 3, 5, 100, 1460, 16384}), 0, 4).Draw(t, "pieces")
	fill := rapid.Byte().Draw(t, "fill")
	data := bytes.Repeat([]byte{fill}, size)
	for i := range data {
		data[i] += byte(i * 7)
	}
	return data, pieces
}

// stepWeb goes on with a session of HTTP.
func (p *pair) stepWeb(w *world, t *rapid.T, rush bool) {
	data, pieces := content(t)
	s := &p.web
	from := clientSide
	switch {
	case !s.isAsked:
		if p.left[clientSide] != "" {
			t.Skip("the client has left")
		}
		more := rapid.IntRange(0, 2).Draw(t, "parts") * 20000
		s.isAsked, s.request = true, len(data)+more
		data = append(fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", s.request), data...)
		s.request = more
	case s.request > 0:
		data = data[:min(len(data), s.request)]
		s.request -= len(data)
	case !s.isBegun:
		from = farSide
		more := rapid.IntRange(0, 2).Draw(t, "parts") * 20000
		s.isBegun, s.response = true, more
		data = append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(data)+more), data...)
	default:
		from = farSide
		data = data[:min(len(data), s.response)]
		s.response -= len(data)
	}
	if p.left[from] != "" {
		t.Skip("this side has left")
	}
	if s.isBegun && s.response == 0 {
		*s = web{}
	}
	p.send(w, from, data, pieces, rush)
}

// stepLines sends lines from either side, which mean nothing.
func (p *pair) stepLines(w *world, t *rapid.T, rush bool) {
	data, pieces := content(t)
	from := rapid.IntRange(0, 1).Draw(t, "side")
	if p.left[from] != "" {
		t.Skip("this side has left")
	}
	for i := range data {
		data[i] = 'a' + data[i]%26
	}
	p.send(w, from, append([]byte("* "), append(data, "\r\n"...)...), pieces, rush)
}

// stepMail goes on with a session of SMTP.
func (p *pair) stepMail(w *world, t *rapid.T, rush bool) {
	if p.left[clientSide] != "" || p.left[farSide] != "" {
		t.Skip("a side has left")
	}
	m := &p.mail
	good := rapid.IntRange(0, 5).Draw(t, "good") > 0
	code := map[bool]string{true: "250 2.0.0 ok", false: "550 5.9.9 unknown words"}[good]
	next := map[bool]phase{true: m.phase + 1, false: rejected}[good]
	command := ""
	switch {
	case m.phase == inDATA:
		p.stepText(w, t, rush, code)
		return
	case m.phase == noMail, m.phase == rejected:
		if next = afterMAIL; !good {
			next = rejected
		}
		command = mailFrom
	case m.phase == afterMAIL:
		command = "RCPT TO:<archive@contoso.com>"
	default:
		command = "DATA"
		code = map[bool]string{true: "354 go on", false: "451 4.9.9 later"}[good]
	}
	before := m.phase
	p.exchange(w, command, code)
	m.phase, m.bad = next, m.bad || !good
	if next == rejected && before != noMail && before != rejected {
		p.exchange(w, "RSET", "250 ok")
	}
}

// stepText sends a part of a mail, or its end.
func (p *pair) stepText(w *world, t *rapid.T, rush bool, code string) {
	m := &p.mail
	if rapid.Bool().Draw(t, "part") {
		data, pieces := content(t)
		for i := range data {
			data[i] = 'a' + data[i]%26
			if i%70 == 69 {
				data[i] = '.' // sometimes at the begin of a line
			}
		}
		data = append(data, "\r\n"...)
		m.text = append(m.text, data...)
		p.client.send(data, pieces)
		if rush {
			p.rushed = true
			return
		}
		if !p.far.has(len(m.text) + p.far.read - p.far.base) {
			w.violate("%s: a mail of %d bytes does not arrive", p, len(m.text))
		}
		return
	}
	p.client.write([]byte(".\r\n"))
	var got []byte
	for {
		line := p.far.line()
		if line == "." {
			break
		}
		if line == "" && p.far.isOver() {
			w.violate("%s: the end of a mail does not arrive", p)
			return
		}
		got = append(got, line+"\r\n"...)
	}
	if !bytes.Equal(got, m.text) {
		w.violate("%s: a mail of %d bytes arrives as another of %d", p, len(m.text), len(got))
	}
	m.text, m.phase = nil, noMail
	p.far.write([]byte(code + "\r\n"))
	if line := p.client.line(); line != code {
		w.violate("%s: the reply to a mail arrives as %q", p, line)
	}
	if strings.HasPrefix(code, "250") {
		m.accepted++
		return
	}
	m.phase, m.bad = rejected, true
}

// exchange sends a command and its reply, and reports whether the client got it.
func (p *pair) exchange(w *world, command, reply string) bool {
	p.client.write([]byte(command + "\r\n"))
	if !p.answer(command, reply) {
		w.violate("%s: %s does not arrive", p, command)
		return false
	}
	last := reply[strings.LastIndexByte(reply, '\n')+1:]
	for {
		line := p.client.line()
		if line == last {
			return true
		}
		if len(line) < 4 || line[3] != '-' {
			w.violate("%s: the reply %q to %s arrives as %q", p, reply, command, line)
			return false
		}
	}
}

// answer waits for a command and replies.
func (p *pair) answer(command, reply string) bool {
	if p.far.line() != command {
		return false
	}
	p.far.write([]byte(reply + "\r\n"))
	return true
}

// colour is what is right for a session, by how it ends: side leaves first, with how.
func (p *pair) colour(side int, how farewell) colour {
	switch {
	case !p.lifted:
		return anyColour // nobody sees what is inside
	case p.mailed():
		return p.colourOfMail(side)
	case p.entry.port != 443:
		return anyColour
	case p.rushed:
		return anyColour
	case !p.web.isOpen():
		return green
	case side == farSide, how == resets, how == fins && p.web.request > 0:
		return red
	}
	return anyColour // a client may leave before the whole answer
}

func (p *pair) colourOfMail(side int) colour {
	m := &p.mail
	switch {
	case m.phase != noMail:
		return red
	case m.bad, !m.greeted, side == farSide:
		return anyColour
	}
	return green
}
