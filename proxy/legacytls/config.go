package legacytls

import (
	"crypto/tls"
	"net/netip"
	"time"
)

// A Config says how clients are served. It must not be changed while it is in
// use.
type Config struct {
	// Certificate is the chain and the key that clients see: an RSA key, or an ECDSA
	// key on P-256, for clients with ECDHE_ECDSA; required. Offer.Choose says what a
	// client can do with either.
	Certificate *tls.Certificate
	// MaxVersion is the newest version to agree on; zero means TLS 1.2. The
	// oldest is TLS 1.0.
	MaxVersion uint16
	// ServesTLS13 means that another TLS stack serves the clients that offer TLS
	// 1.3. ServerHello then tells a client that can speak it, and has not offered
	// it, that something on the way has taken it out (RFC 8446 section 4.1.3). A
	// client that falls back from it (RFC 7507) is for the caller to refuse.
	ServesTLS13 bool
	// Suites are the weak suites to offer; zero means none.
	Suites LegacySuites
	// DHBits is the size of the group for DHE, 1024 or 2048; zero means 1024,
	// because Java 6 and 7 break on more, and DHE is chosen only for clients
	// that have nothing else.
	DHBits int
	// SplitRecords puts the first byte of each write into a record of its own
	// where the cipher is CBC at TLS 1.0, the defence of clients against BEAST
	// for a server. It is off by default: what a server sends is hardly ever
	// the choice of an attacker, and some old clients take the first record for
	// all there is.
	SplitRecords bool
	// RecordSize is the most bytes that a record to the client has, for one that can
	// read only small ones and does not ask for them; zero means as many as may
	// be.
	RecordSize int
	// Protocol is the application protocol to agree on if the client offers it
	// (RFC 7301); empty means none.
	Protocol string
	// Sessions are those to resume; nil means that none are.
	Sessions *Sessions
	// Binding is what a session belongs to beside its parameters and the server
	// name, as the destination: only connections with the same binding resume
	// it.
	Binding string
	// Client is whose sessions they are: one client does not push out those of another.
	// They are not bound to it.
	Client netip.Prefix
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// LegacySuites are cipher suites that no client should need.
type LegacySuites struct {
	RC4 bool // with SHA-1 or MD5 (RFC 7465 forbids it)
	DES bool // single DES
}

func (c *Config) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func (c *Config) maxVersion() uint16 {
	if c.MaxVersion == 0 {
		return tls.VersionTLS12
	}
	return c.MaxVersion
}

func (w LegacySuites) allow(s strength) bool {
	switch s {
	case weakRC4:
		return w.RC4
	case weakDES:
		return w.DES
	}
	return true
}

// A ConnectionState describes a connection after its handshake.
type ConnectionState struct {
	Version     uint16 // as crypto/tls numbers it
	CipherSuite uint16
	DidResume   bool
	// ServerName is the name that the client asked for, as it was sent; empty
	// if there was none.
	ServerName         string
	NegotiatedProtocol string
	// SSLv2Hello says that the ClientHello was in SSLv2 format.
	SSLv2Hello bool
	// ExtendedMasterSecret says that RFC 7627 was used.
	ExtendedMasterSecret bool
}
