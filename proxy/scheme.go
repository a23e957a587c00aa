package proxy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/prologue"
)

// A Scheme is the protocol a listener speaks with its clients.
type Scheme string

// The schemes.
const (
	// SchemeProxy is an HTTP proxy: CONNECT, and absolute-form http requests.
	SchemeProxy Scheme = "proxy"
	// SchemeTLS expects a ClientHello at once.
	SchemeTLS Scheme = "tls"
	// The mail protocols, opening in plaintext until STARTTLS. A client that
	// begins with TLS is served too.
	SchemeSMTP Scheme = "smtp"
	SchemeIMAP Scheme = "imap"
	SchemePOP3 Scheme = "pop3"
	// The mail protocols inside TLS from the first byte (RFC 8314).
	SchemeSMTPS Scheme = "smtps"
	SchemeIMAPS Scheme = "imaps"
	SchemePOP3S Scheme = "pop3s"
	// The clients of these know of no proxy: the kernel brings their
	// connections here, and the original port tells the protocol.
	SchemeRedirect Scheme = "redirect" // REDIRECT or DNAT on this machine
	SchemeTPROXY   Scheme = "tproxy"
)

// mail is the mail protocol of a scheme; empty for others.
func (s Scheme) mail() prologue.Protocol {
	switch s {
	case SchemeSMTP, SchemeSMTPS:
		return prologue.SMTP
	case SchemeIMAP, SchemeIMAPS:
		return prologue.IMAP
	case SchemePOP3, SchemePOP3S:
		return prologue.POP3
	}
	return ""
}

// implicitTLS says whether clients begin with TLS.
func (s Scheme) implicitTLS() bool {
	switch s {
	case SchemeTLS, SchemeSMTPS, SchemeIMAPS, SchemePOP3S:
		return true
	}
	return false
}

// Transparent says whether clients of a scheme know of no proxy.
func (s Scheme) Transparent() bool { return s == SchemeRedirect || s == SchemeTPROXY }

// portSchemes are what clients speak to the ports of mail servers (RFC 8314
// section 7, RFC 6409). Port 465 is no port of Microsoft 365, but some may have
// been added.
var portSchemes = map[uint16]Scheme{
	25: SchemeSMTP, 587: SchemeSMTP, 465: SchemeSMTPS,
	143: SchemeIMAP, 993: SchemeIMAPS,
	110: SchemePOP3, 995: SchemePOP3S,
}

// SchemeOf is what clients of a transparent listener speak to a port.
func (l ListenURL) SchemeOf(port uint16) Scheme {
	return cmp.Or(l.Ports[port], portSchemes[port], SchemeTLS)
}

// portScheme reads a scheme that a port may have.
func portScheme(s string) (Scheme, bool) {
	scheme := Scheme(s)
	return scheme, scheme.mail() != "" || scheme == SchemeTLS
}

// listenOptions are the query parameters that each scheme knows.
var listenOptions = map[Scheme][]string{
	SchemeProxy:    {},
	SchemeTLS:      {"to", "port"},
	SchemeSMTP:     {"to", "plaintext", "wait"},
	SchemeIMAP:     {"to", "plaintext", "wait"},
	SchemePOP3:     {"to", "plaintext", "wait"},
	SchemeSMTPS:    {"to"},
	SchemeIMAPS:    {"to"},
	SchemePOP3S:    {"to"},
	SchemeRedirect: {"ports", "sni", "other", "plaintext", "wait"},
	SchemeTPROXY:   {"ports", "sni", "other", "plaintext", "wait"},
}

func knownSchemes() string {
	names := make([]string, 0, len(listenOptions))
	for s := range listenOptions {
		names = append(names, string(s)+"://")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
