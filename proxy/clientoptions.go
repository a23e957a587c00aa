package proxy

import "github.com/tlslift/tlslift/proxy/clients"

// SetClients puts another table of per-client options in the place of the one
// in force. Connections that are open keep theirs.
func (s *Server) SetClients(t *clients.Table) { s.clients.Store(t) }

// findOptions finds what the clients file says of a client.
func (s *Server) findOptions(c *client) {
	c.options = s.clients.Load().Lookup(c.rec.Client)
	c.rec.ClientName = c.options.Name
}

// allowsPlaintext says whether a client may go on without TLS.
func (s *Server) allowsPlaintext(c *client) bool {
	switch c.options.Plaintext {
	case clients.PlaintextAllow:
		return true
	case clients.PlaintextRefuse:
		return false
	}
	return c.listener.url.Plaintext
}

// rc4 says whether a client may be offered RC4.
func (s *Server) rc4(c *client) bool { return s.cfg.RC4 || c.options.RC4 }
