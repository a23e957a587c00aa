package listener

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Scheme is the protocol a listener speaks with its clients.
type Scheme string

// The schemes. Each has a row in the table below.
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

// MailPorts returns the ports of mail servers, sorted.
func MailPorts() []uint16 { return slices.Sorted(maps.Keys(mailPorts)) }

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

// A SchemeRow documents a scheme.
type SchemeRow struct {
	Scheme      Scheme
	Client      string // what its clients do
	Destination string // where they are brought to
}

// schemes is the one table of schemes.
var schemes = []SchemeRow{
	{SchemeProxy, "uses tlslift as its HTTP proxy: CONNECT, and plain HTTP to allowed hosts", "as the request says"},
	{SchemeTLS, "uses implicit TLS", "as `to` says, or else as the client's server name says"},
	{SchemeSMTP, "uses SMTP with STARTTLS, or implicit TLS on the same port", "`smtp.office365.com:587`"},
	{SchemeSMTPS, "uses SMTP with implicit TLS", "`smtp.office365.com:587`"},
	{SchemeIMAP, "uses IMAP with STARTTLS, or implicit TLS on the same port", "`outlook.office365.com:993`"},
	{SchemeIMAPS, "uses IMAP with implicit TLS", "`outlook.office365.com:993`"},
	{SchemePOP3, "uses POP3 with STARTTLS, or implicit TLS on the same port", "`outlook.office365.com:995`"},
	{SchemePOP3S, "uses POP3 with implicit TLS", "`outlook.office365.com:995`"},
	{
		SchemeRedirect, "is redirected by a firewall rule with REDIRECT, or with DNAT on the same machine (Linux)",
		"as the client's server name or its original destination says",
	},
	{SchemeTPROXY, "is redirected by a firewall rule with TPROXY (Linux)", "as the client's server name or its original destination says"},
}

// Schemes returns the table of schemes.
func Schemes() []SchemeRow { return slices.Clone(schemes) }

// known reports whether a scheme is in the table.
func (s Scheme) known() bool {
	return slices.ContainsFunc(schemes, func(row SchemeRow) bool { return row.Scheme == s })
}

func knownSchemes() string {
	names := make([]string, 0, len(schemes))
	for _, row := range schemes {
		names = append(names, string(row.Scheme)+"://")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
