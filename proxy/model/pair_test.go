package model

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
)

// A colour is what a record has to say.
type colour uint8

const (
	anyColour  colour = iota // nothing is known that would make one of the others right
	red                      // failing
	green                    // no reason at all
	notFailing               // nothing that somebody should look at
)

// A pair is one connection: the client's end and the destination's.
type pair struct {
	slot    *slot
	entry   *entry
	kind    kind
	trouble trouble
	does    deed

	raw     *net.TCPConn
	waiting sync.WaitGroup // for a handshake that does not end
	client  *end           // nil until there is a session
	far     *end
	lifted  bool

	web    web
	mail   mail
	rushed bool // the last bytes may not have arrived
	left   [2]farewell
	broken colour // what is right by how it has ended
}

// The sides.
const (
	clientSide = iota
	farSide
)

// source is the address that a client connects from.
func (p *pair) source() string {
	if p.entry.scheme == listener.SchemeRedirect {
		return fmt.Sprintf("127.9.%d.1", p.slot.number)
	}
	return fmt.Sprintf("127.1.%d.1", p.slot.number)
}

// host is the destination that the client asks for, and name that of its hello.
func (p *pair) host() (host, name string) {
	own := hostOf(p.slot.number)
	switch p.trouble {
	case toDecoy:
		return decoyHost, decoyHost
	case toDecoyByName:
		return own, decoyHost
	}
	return own, own
}

// isGood reports whether the connection has to succeed.
func (p *pair) isGood() bool {
	return p.trouble == noTrouble && p.does == accepts && p.slot.allowed && (p.kind != plain || p.entry.plaintext)
}

// stalls reports whether nothing happens until somebody gives up.
func (p *pair) stalls() bool {
	return p.trouble == stallsHello || p.trouble == noTrouble && p.does == stallsEarly && p.slot.allowed
}

// open connects. It returns false if the connection is refused.
func (p *pair) open(w *world) bool {
	s := p.slot
	s.mu.Lock()
	s.does, s.farHost = p.does, hostOf(s.number)
	s.opens++
	s.farOpens = s.opens
	s.mu.Unlock()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.source())}, Timeout: patience}
	index := 0
	for i := range entries {
		if p.entry == &entries[i] {
			index = i
		}
	}
	w.mu.Lock()
	before := w.opened
	w.mu.Unlock()
	conn, err := d.Dial("tcp", s.at[index])
	w.must(err)
	w.awaitAccepted(before + 1)
	p.raw = conn.(*net.TCPConn)
	_ = p.raw.SetDeadline(time.Now().Add(2 * patience))
	if p.entry.scheme == listener.SchemeRedirect {
		_, _ = fmt.Fprintf(p.raw, "PROXY TCP4 10.1.%d.1 203.0.113.7 40000 443\r\n", s.number)
	}
	if p.stalls() {
		p.waiting.Go(func() { _ = p.negotiate(w) })
		return false
	}
	return p.negotiate(w)
}

// negotiate goes as far as the session.
func (p *pair) negotiate(w *world) bool {
	if p.trouble == portCheck {
		_ = p.raw.Close()
		return false
	}
	if p.entry.scheme == listener.SchemeProxy {
		host, _ := p.host()
		_, _ = fmt.Fprintf(p.raw, "CONNECT %s:%d HTTP/1.1\r\nHost: x\r\n\r\n", host, p.entry.port)
		if !strings.Contains(headOf(p.raw), " 200 ") {
			return false
		}
	}
	if p.entry.startsTLS() && p.kind != plain && !p.startTLS() {
		return false
	}
	hello := "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x01"
	switch p.trouble {
	case halfHello, resetHello:
		_, _ = io.WriteString(p.raw, hello)
		if p.trouble == resetHello {
			_ = p.raw.SetLinger(0)
		}
		_ = p.raw.Close()
		return false
	case stallsHello:
		_, _ = io.WriteString(p.raw, hello)
		_, _ = io.Copy(io.Discard, p.raw)
		return false
	case garbage:
		_, _ = io.WriteString(p.raw, "\x01\x02\x03 this is no TLS\r\n\r\n")
		_ = p.raw.CloseWrite()
		_, _ = io.Copy(io.Discard, p.raw)
		return false
	}
	if p.kind == plain {
		return p.goOnWithoutTLS(w)
	}
	return p.handshake(w)
}

// headOf reads up to an empty line, byte by byte: what follows is not its.
func headOf(r io.Reader) string {
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			break
		}
	}
	return string(head)
}

// lineOf reads a line likewise.
func lineOf(r io.Reader) string {
	var line []byte
	for b := make([]byte, 1); !bytes.HasSuffix(line, []byte("\n")); line = append(line, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			break
		}
	}
	return strings.TrimRight(string(line), "\r\n")
}

// replyOf reads a whole SMTP reply likewise, and returns its code.
func replyOf(r io.Reader) string {
	for {
		line := lineOf(r)
		if len(line) < 4 {
			return ""
		}
		if line[3] != '-' {
			return line[:3]
		}
	}
}

// startTLS goes as far as the reply that lets TLS begin.
func (p *pair) startTLS() bool {
	say := func(text string) { _, _ = io.WriteString(p.raw, text+"\r\n") }
	if p.entry.scheme == listener.SchemeIMAP {
		if !strings.HasPrefix(lineOf(p.raw), "* OK") {
			return false
		}
		say("b STARTTLS")
		return strings.HasPrefix(lineOf(p.raw), "b OK")
	}
	if replyOf(p.raw) != "220" {
		return false
	}
	say("EHLO printer")
	if replyOf(p.raw) != "250" {
		return false
	}
	say("STARTTLS")
	return replyOf(p.raw) == "220"
}

// handshake begins TLS, and meets the destination.
func (p *pair) handshake(w *world) bool {
	_, name := p.host()
	roots := w.roots
	if p.trouble == distrusts {
		roots = x509.NewCertPool()
	}
	secure := tls.Client(strictConn{p.raw}, p.kind.config(name, roots))
	if secure.Handshake() != nil {
		return false
	}
	leaf := secure.ConnectionState().PeerCertificates[0]
	p.lifted = bytes.Equal(leaf.RawIssuer, w.ca.Certificate().RawSubject)
	if capable := p.kind.isCapable() && !p.entry.isMismatch(); p.lifted == capable && p.isGood() {
		w.violate("%s: lifted is %v", p, p.lifted)
	}
	p.client = begin(p.raw, secure, false)
	if !p.meet(exported(secure)) {
		return false
	}
	switch {
	case p.entry.scheme == listener.SchemeSMTPS && !strings.HasPrefix(p.client.line(), "220"):
		return false
	case p.mailed(): // before its first command, a client has no session
		p.client.write([]byte("EHLO printer\r\n"))
		p.mail.greeted = p.client.line() == "250-mx" && p.client.line() == "250 8BITMIME"
		return p.mail.greeted
	case p.entry.scheme == listener.SchemePOP3S:
		defer p.client.forget()
		return p.client.line() == "+OK ready"
	}
	return true
}

const mailFrom = "MAIL FROM:<scanner@contoso.com>"

// goOnWithoutTLS begins a mail without TLS.
func (p *pair) goOnWithoutTLS(w *world) bool {
	if !p.entry.startsTLS() || p.entry.scheme == listener.SchemeIMAP {
		_, _ = io.WriteString(p.raw, "a LOGIN x y\r\n")
		_ = p.raw.CloseWrite()
		_, _ = io.Copy(io.Discard, p.raw)
		return false
	}
	say := func(text string) { _, _ = io.WriteString(p.raw, text+"\r\n") }
	if replyOf(p.raw) != "220" {
		return false
	}
	say("EHLO printer")
	if replyOf(p.raw) != "250" {
		return false
	}
	if !p.entry.plaintext || p.does != accepts {
		say(mailFrom)
		return strings.HasPrefix(replyOf(p.raw), "25")
	}
	p.lifted, p.mail.greeted = true, true
	p.client = begin(p.raw, p.raw, false)
	if !p.meet("") {
		return false
	}
	// Until its next command, it may still begin TLS.
	p.mail.phase = afterMAIL
	return p.exchange(w, mailFrom, "250 ok")
}

// meet waits for the destination's end. Where the client was passed, it is the one with
// the same key: tlslift may have had TLS of its own there before.
func (p *pair) meet(key string) bool {
	for late := time.After(patience); ; {
		select {
		case a := <-p.slot.ready:
			if a.opens == p.slot.opens && (p.lifted || a.key == key) {
				p.far = a.end
				return true
			}
			a.end.close() // of a client that did not go on
		case <-p.client.gone: // it is refused inside its TLS
			return false
		case <-late:
			return false
		}
	}
}

// String names it.
func (p *pair) String() string {
	return fmt.Sprintf("client %d, %s, %s, client: %s, destination: %s", p.slot.number, p.entry.name, p.kind, p.trouble, p.does)
}

// side returns one end, and the other.
func (p *pair) side(which int) (*end, *end) {
	if which == clientSide {
		return p.client, p.far
	}
	return p.far, p.client
}

// hasTLS reports whether a side ends TLS.
func (p *pair) hasTLS(which int) bool { return which == farSide || p.kind != plain }

// send sends from one side, and waits until it has arrived, unless the sender is in a
// hurry.
func (p *pair) send(w *world, from int, data []byte, pieces []int, rush bool) {
	this, other := p.side(from)
	this.send(data, pieces)
	if rush {
		p.rushed = true
		return
	}
	if !other.has(len(this.sent)) {
		w.violate("%s: %d bytes were sent by side %d, and %d have arrived", p, len(this.sent), from, len(other.bytes()))
	}
}

// check compares the bytes. In a mail session, tlslift has a part in the dialogue.
func (p *pair) check(w *world) {
	if p.mailed() {
		return
	}
	for from := range 2 {
		this, other := p.side(from)
		if !bytes.HasPrefix(this.sent, other.bytes()) {
			w.violate("%s: side %d has sent %d bytes, and other bytes have arrived", p, from, len(this.sent))
		}
	}
}

// mailed reports whether it is a mail session that tlslift reads.
func (p *pair) mailed() bool { return p.entry.port == 587 }

// record waits for the record.
func (p *pair) record(w *world) record.Record {
	select {
	case r := <-p.slot.records:
		return r
	case <-time.After(2 * patience):
		w.violate("%s: nothing is recorded", p)
		return record.Record{}
	}
}

// judge compares the record with what is right.
func (p *pair) judge(w *world, r record.Record, want colour) {
	switch {
	case want == red && !r.Failing():
		w.violate("%s: something was lost, and the record is %s %q", p, r.Outcome, r.Reason)
	case want == green && r.Reason != "":
		w.violate("%s: all went well, and the record is %s %q (%v)", p, r.Outcome, r.Reason, r.Err)
	case want == notFailing && r.Failing():
		w.violate("%s: nothing is wrong, and the record is %s %q (%v)", p, r.Outcome, r.Reason, r.Err)
	}
	if p.client == nil || p.far == nil {
		return
	}
	if outcome := map[bool]record.Outcome{true: record.OutcomeLifted, false: record.OutcomePassed}[p.lifted]; r.Outcome != outcome {
		w.violate("%s: lifted is %v, and the record is %s %q", p, p.lifted, r.Outcome, r.Reason)
	}
	if p.lifted && p.mailed() && !p.rushed && r.Accepted != p.mail.accepted {
		w.violate("%s: %d mails were accepted, and the record has %d", p, p.mail.accepted, r.Accepted)
	}
}
