package proxy

// allowsPlaintext says whether a client may go on without TLS.
func (s *Server) allowsPlaintext(c *client) bool { return c.listener.url.Plaintext }
