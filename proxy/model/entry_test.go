package model

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/tlslift/tlslift/proxy/listener"
)

// An entry is a kind of listener, and the port of the destination.
type entry struct {
	name      string
	scheme    listener.Scheme
	port      uint16
	bySNI     bool // the listener has no destination of its own
	plaintext bool // clients may do without TLS
}

var entries = []entry{
	{name: "CONNECT", scheme: listener.SchemeProxy, port: 443},
	{name: "tls", scheme: listener.SchemeTLS, port: 443},
	{name: "tls by server name", scheme: listener.SchemeTLS, port: 443, bySNI: true},
	{name: "redirect", scheme: listener.SchemeRedirect, port: 443, bySNI: true},
	{name: "smtp", scheme: listener.SchemeSMTP, port: 587},
	{name: "smtp, plaintext allowed", scheme: listener.SchemeSMTP, port: 587, plaintext: true},
	{name: "smtps", scheme: listener.SchemeSMTPS, port: 587},
	{name: "imap", scheme: listener.SchemeIMAP, port: 993},
	{name: "pop3s", scheme: listener.SchemePOP3S, port: 995},
}

// ports are those of the destinations.
var ports = []uint16{443, 587, 993, 995}

// choosesHost reports whether the client says which destination it wants.
func (e *entry) choosesHost() bool { return e.bySNI || e.scheme == listener.SchemeProxy }

// startsTLS reports whether the client begins with plaintext.
func (e *entry) startsTLS() bool {
	return e.scheme == listener.SchemeSMTP || e.scheme == listener.SchemeIMAP
}

// isMismatch reports whether TLS begins in another way at the destination.
func (e *entry) isMismatch() bool {
	return e.scheme == listener.SchemeIMAP || e.scheme == listener.SchemeSMTPS
}

// A kind is the TLS of a client.
type kind string

const (
	tls10    kind = "TLS 1.0"
	tls11    kind = "TLS 1.1"
	tls12RSA kind = "TLS 1.2 with RSA key exchange"
	tls12    kind = "TLS 1.2"
	tls13    kind = "TLS 1.3"
	plain    kind = "no TLS"
)

var kinds = []kind{tls10, tls11, tls12RSA, tls12, tls13, plain}

// isCapable reports whether such a client is passed.
func (k kind) isCapable() bool { return k == tls12 || k == tls13 }

// config returns the TLS of a client that wants host.
func (k kind) config(host string, roots *x509.CertPool) *tls.Config {
	c := &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}
	switch k {
	case tls11:
		c.MaxVersion = tls.VersionTLS11
	case tls12RSA:
		c.MaxVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}
	case tls12:
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	case tls13:
		c.MinVersion, c.MaxVersion = tls.VersionTLS13, tls.VersionTLS13
	}
	return c
}

// A trouble is what a client does in the place of a handshake.
type trouble string

const (
	noTrouble     trouble = "none"
	portCheck     trouble = "connects and closes"
	halfHello     trouble = "closes in the middle of its hello"
	resetHello    trouble = "resets in the middle of its hello"
	stallsHello   trouble = "stalls in the middle of its hello"
	garbage       trouble = "sends garbage"
	distrusts     trouble = "does not trust the CA"
	toDecoy       trouble = "wants a destination that is not allowed"
	toDecoyByName trouble = "wants one by its server name only"
)

var troubles = []trouble{portCheck, halfHello, resetHello, stallsHello, garbage, distrusts, toDecoy, toDecoyByName}

// A deed is what a destination does in the place of a handshake.
type deed string

const (
	accepts     deed = "accepts"
	wrongName   deed = "has a certificate for another name"
	expired     deed = "has an expired certificate"
	untrusted   deed = "has an untrusted certificate"
	resetsEarly deed = "resets at once"
	closesEarly deed = "closes in the handshake"
	stallsEarly deed = "says nothing"
)

var deeds = []deed{wrongName, expired, untrusted, resetsEarly, closesEarly, stallsEarly}
