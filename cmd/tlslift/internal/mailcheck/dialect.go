package mailcheck

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// A dialect is what differs between the protocols.
type dialect interface {
	// done reports whether the last line of a reply ends it, and sets what it means.
	// An empty command means the greeting.
	done(r *reply, command string) (bool, error)
	// hello asks what the destination offers; local is our end of the connection.
	hello(local net.Addr) string
	startTLS() string
	// offersXOAUTH2 reads the reply to hello.
	offersXOAUTH2(r reply) bool
	// xoauth2 returns the lines of the sign-in, with a response that is a secret.
	xoauth2(response string) []string
	quit() string
}

var dialects = map[record.Protocol]dialect{
	record.ProtocolSMTP: smtp{}, record.ProtocolIMAP: imap{}, record.ProtocolPOP3: pop3{},
}

const mechanism = "XOAUTH2"

// smtp is RFC 5321 and RFC 4954.
type smtp struct{}

var smtpLine = regexp.MustCompile(`^[2-5][0-9]{2}([ -]|$)`)

func (smtp) done(r *reply, _ string) (bool, error) {
	line := r.lines[len(r.lines)-1]
	if !smtpLine.MatchString(line) {
		return false, errMalformed
	}
	r.ok, r.goesOn = line[0] == '2', line[0] == '3'
	return len(line) == 3 || line[3] == ' ', nil
}

// hello names our address: a machine that sends mail for devices often has no public name
// (RFC 5321 section 4.1.3).
func (smtp) hello(local net.Addr) string {
	name := "[127.0.0.1]"
	if tcp, is := local.(*net.TCPAddr); is {
		addr := tcp.AddrPort().Addr().Unmap()
		name = "[" + addr.String() + "]"
		if addr.Is6() {
			name = "[IPv6:" + addr.WithZone("").String() + "]"
		}
	}
	return "EHLO " + name
}

func (smtp) startTLS() string { return "STARTTLS" }

func (smtp) offersXOAUTH2(r reply) bool {
	return slices.ContainsFunc(r.lines, func(line string) bool {
		words := strings.Fields(strings.ToUpper(line[min(4, len(line)):]))
		return len(words) > 0 && words[0] == "AUTH" && slices.Contains(words, mechanism)
	})
}

func (smtp) xoauth2(response string) []string { return []string{"AUTH XOAUTH2 " + response} }

func (smtp) quit() string { return "QUIT" }

// imap is RFC 9051, with initial responses (RFC 4959).
type imap struct{}

// Each command has a tag of its own.
const (
	tagHello = "t1 "
	tagTLS   = "t2 "
	tagAuth  = "t3 "
	tagQuit  = "t4 "
)

var imapLiteral = regexp.MustCompile(`\{[0-9]+\+?\}$`)

func (imap) done(r *reply, command string) (bool, error) {
	line := r.lines[len(r.lines)-1]
	tag, _, _ := strings.Cut(command, " ")
	word, rest, _ := strings.Cut(line, " ")
	status, _, _ := strings.Cut(strings.ToUpper(rest), " ")
	switch {
	case imapLiteral.MatchString(line):
		return false, fmt.Errorf("%w: it has a literal", errMalformed)
	case word == "*" && (command == "" || status == "BYE"):
		r.ok = status == "OK"
		return true, nil
	case word == "*":
		return false, nil
	case word == "+" && command != "":
		r.goesOn = true
		return true, nil
	case word == tag && tag != "":
		r.ok, r.goesOn = status == "OK", false
		return true, nil
	}
	return false, errMalformed
}

func (imap) hello(net.Addr) string { return tagHello + "CAPABILITY" }

func (imap) startTLS() string { return tagTLS + "STARTTLS" }

func (imap) offersXOAUTH2(r reply) bool {
	return slices.ContainsFunc(r.lines, func(line string) bool {
		line, is := strings.CutPrefix(strings.ToUpper(line), "* CAPABILITY ")
		return is && slices.Contains(strings.Fields(line), "AUTH="+mechanism)
	})
}

func (imap) xoauth2(response string) []string {
	return []string{tagAuth + "AUTHENTICATE XOAUTH2 " + response}
}

func (imap) quit() string { return tagQuit + "LOGOUT" }

// pop3 is RFC 1939, with CAPA (RFC 2449) and AUTH (RFC 5034). Microsoft takes no initial
// response.
type pop3 struct{}

func (p pop3) done(r *reply, command string) (bool, error) {
	line := r.lines[len(r.lines)-1]
	if len(r.lines) > 1 { // only CAPA has several
		return line == ".", nil
	}
	word, _, _ := strings.Cut(line, " ")
	r.ok, r.goesOn = strings.EqualFold(word, "+OK"), word == "+"
	switch {
	case r.ok:
		return command != p.hello(nil), nil
	case strings.EqualFold(word, "-ERR"), r.goesOn && command != "":
		return true, nil
	}
	return false, errMalformed
}

func (pop3) hello(net.Addr) string { return "CAPA" }

func (pop3) startTLS() string { return "STLS" }

func (pop3) offersXOAUTH2(r reply) bool {
	return slices.ContainsFunc(r.lines, func(line string) bool {
		words := strings.Fields(strings.ToUpper(line))
		return len(words) > 0 && words[0] == "SASL" && slices.Contains(words, mechanism)
	})
}

func (pop3) xoauth2(response string) []string { return []string{"AUTH XOAUTH2", response} }

func (pop3) quit() string { return "QUIT" }
