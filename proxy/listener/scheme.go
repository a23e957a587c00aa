package listener

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Scheme is the protocol a listener speaks with its clients.
type Scheme string

// The schemes.
const (
	// SchemeProxy is an HTTP proxy: CONNECT, and absolute-form http requests.
	SchemeProxy Scheme = "proxy"
	// SchemeTLS expects implicit TLS: a ClientHello first.
	SchemeTLS Scheme = "tls"
	// The mail protocols, in plaintext until STARTTLS. A client that begins with
	// TLS is served too.
	SchemeSMTP Scheme = "smtp"
	SchemeIMAP Scheme = "imap"
	SchemePOP3 Scheme = "pop3"
	// The mail protocols with implicit TLS (RFC 8314).
	SchemeSMTPS Scheme = "smtps"
	SchemeIMAPS Scheme = "imaps"
	SchemePOP3S Scheme = "pop3s"
	// A firewall redirects the clients of these. The original port says which
	// protocol they speak.
	SchemeRedirect Scheme = "redirect" // REDIRECT or DNAT on this machine
	SchemeTPROXY   Scheme = "tproxy"
)

// Mail returns the mail protocol of a scheme; empty for others.
func (s Scheme) Mail() record.Protocol {
	switch s {
	case SchemeSMTP, SchemeSMTPS:
		return record.ProtocolSMTP
	case SchemeIMAP, SchemeIMAPS:
		return record.ProtocolIMAP
	case SchemePOP3, SchemePOP3S:
		return record.ProtocolPOP3
	}
	return ""
}

// ImplicitTLS reports whether clients begin with TLS (RFC 8314).
func (s Scheme) ImplicitTLS() bool {
	switch s {
	case SchemeTLS, SchemeSMTPS, SchemeIMAPS, SchemePOP3S:
		return true
	}
	return false
}

// Transparent reports whether a firewall redirects the clients of a scheme.
func (s Scheme) Transparent() bool { return s == SchemeRedirect || s == SchemeTPROXY }

// mailPorts has what clients speak to the ports of mail servers (RFC 8314
// section 7, RFC 6409). Microsoft 365 does not use port 465, but an added
// destination may.
var mailPorts = map[uint16]Scheme{
	25: SchemeSMTP, 587: SchemeSMTP, 465: SchemeSMTPS,
	143: SchemeIMAP, 993: SchemeIMAPS,
	110: SchemePOP3, 995: SchemePOP3S,
}

// MailPort returns what clients speak to a port of mail servers; empty for other
// ports.
func MailPort(port uint16) Scheme { return mailPorts[port] }

// STARTTLSPort returns the mail protocol that begins in plaintext on a port; empty
// for other ports.
func STARTTLSPort(port uint16) record.Protocol {
	if scheme := mailPorts[port]; !scheme.ImplicitTLS() {
		return scheme.Mail()
	}
	return ""
}

// SchemeOf returns what clients of a transparent listener speak to a port.
func (l URL) SchemeOf(port uint16) Scheme {
	return cmp.Or(l.Ports[port], mailPorts[port], SchemeTLS)
}

// portScheme reads a scheme that a port may have.
func portScheme(s string) (Scheme, bool) {
	scheme := Scheme(s)
	return scheme, scheme.Mail() != "" || scheme == SchemeTLS
}

// schemeOptions are the query parameters that each scheme has.
var schemeOptions = map[Scheme][]string{
	SchemeProxy:    {},
	SchemeTLS:      {"to", "port"},
	SchemeSMTP:     {"to", "plaintext", "wait"},
	SchemeIMAP:     {"to", "plaintext", "wait"},
	SchemePOP3:     {"to", "plaintext", "wait"},
	SchemeSMTPS:    {"to"},
	SchemeIMAPS:    {"to"},
	SchemePOP3S:    {"to"},
	SchemeRedirect: {"ports", "sni", "unmatched", "plaintext", "wait"},
	SchemeTPROXY:   {"ports", "sni", "unmatched", "plaintext", "wait"},
}

func knownSchemes() string {
	names := make([]string, 0, len(schemeOptions))
	for s := range schemeOptions {
		names = append(names, string(s)+"://")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
