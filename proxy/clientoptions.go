package proxy

import (
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/localca"
)

// SetClients puts another table of per-client options in the place of the one
// in force. Connections that are open keep theirs.
func (s *Server) SetClients(t *clientfile.Table) { s.clients.Store(t) }

// findOptions finds what the clients file says of a client.
func (s *Server) findOptions(c *client) {
	c.options = s.clients.Load().Lookup(c.rec.Client)
	c.rec.ClientName = c.options.Name
}

// allowsPlaintext says whether a client may go on without TLS.
func (s *Server) allowsPlaintext(c *client) bool {
	switch c.options.Plaintext {
	case clientfile.PlaintextAllow:
		return true
	case clientfile.PlaintextRefuse:
		return false
	}
	return c.listener.url.Plaintext
}

// weak are the weak suites that a client may be offered.
func (s *Server) weak(c *client) legacytls.WeakSuites {
	return legacytls.WeakSuites{RC4: s.cfg.Weak.RC4 || c.options.RC4, DES: s.cfg.Weak.DES || c.options.DES}
}

// leafProfile is the kind of certificate that a client gets. Clients say only
// since TLS 1.2 what they can check; those without AES are of a time when that
// was SHA-1.
func leafProfile(h *clienthello.Hello, leaf clientfile.Leaf) localca.Profile {
	p := localca.Profile{Bits: leaf.Bits, WithCA: leaf.WithCA}
	switch leaf.Hash {
	case clientfile.HashSHA1:
		p.SHA1 = true
	case clientfile.HashAuto:
		p.SHA1 = !offersAES(h)
	}
	return p
}
