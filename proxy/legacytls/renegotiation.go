package legacytls

// refuseRenegotiation answers a ClientHello inside the connection with the
// warning no_renegotiation (RFC 5246 section 7.2.2); the connection goes on.
func (c *Conn) refuseRenegotiation(data []byte) error {
	if len(data) == 0 {
		return fault(alertUnexpectedMessage, "an empty handshake record")
	}
	for len(data) > 0 {
		if c.skip == 0 { // in its header
			n := min(messageHeaderLen-len(c.message), len(data))
			c.message, data = append(c.message, data[:n]...), data[n:]
			if len(c.message) < messageHeaderLen {
				return nil
			}
			typ, size := c.message[0], messageSize(c.message)
			if typ != msgClientHello || size > maxClientHello {
				return fault(alertUnexpectedMessage, "a handshake message of type %d after the handshake", typ)
			}
			c.skip = size - messageHeaderLen
		}
		n := min(c.skip, len(data))
		c.skip, data = c.skip-n, data[n:]
		if c.skip > 0 {
			return nil
		}
		c.message = nil
		if err := c.countUseless(); err != nil {
			return err
		}
		if err := c.warn(alertNoRenegotiation); err != nil {
			return err
		}
	}
	return nil
}
