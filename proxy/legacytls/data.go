package legacytls

import (
	"errors"
	"net"
)

// Read reads what the client sent. The end is io.EOF after close_notify,
// ErrNoCloseNotify without, and io.ErrUnexpectedEOF in the middle of a record. P is used
// beyond what is read: a record that fits into it is opened there.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	n := c.takePlain(p)
	for n == 0 {
		var err error
		if n, err = c.readData(p); err != nil {
			return 0, err
		}
	}
	// Whole records that have come already are taken along.
	for n < len(p) && c.readDone == nil {
		length := c.input.whole(typeApplicationData)
		if length < 0 || length > len(p)-n && length <= len(p) {
			break // or it is opened in p by the next Read
		}
		more, err := c.readData(p[n:])
		if err != nil {
			break // the next Read says it
		}
		n += more
	}
	return n, nil
}

// takePlain moves what is opened to p, and gives the buffer back with the last
// of it.
func (c *Conn) takePlain(p []byte) int {
	n := copy(p, c.plain)
	if c.plain = c.plain[n:]; len(c.plain) == 0 {
		c.plain = nil
		c.input.release()
	}
	return n
}

// readData moves the next record of data to p, as much as fits, or handles one of another
// type.
func (c *Conn) readData(p []byte) (int, error) {
	if c.readDone != nil {
		return 0, c.readDone
	}
	typ, data, err := c.readRecord(p)
	if err != nil {
		return 0, c.readEnds(err)
	}
	switch typ {
	case typeApplicationData:
		if len(data) == 0 { // half of a defence against BEAST; some clients do it
			c.input.release()
			return 0, c.readEnds(c.countUseless())
		}
		c.useless = 0
		if &data[0] == &p[0] {
			c.input.release()
			return len(data), nil
		}
		c.plain = data
		return c.takePlain(p), nil
	case typeAlert:
		err = c.handleAlert(data)
	case typeHandshake:
		err = c.refuseRenegotiation(data)
	default:
		err = fault(alertUnexpectedMessage, "a record of type %d after the handshake", typ)
	}
	c.input.release()
	return 0, c.readEnds(err)
}

// readEnds makes an error final, unless it is a deadline's: that Read may be
// tried again.
func (c *Conn) readEnds(err error) error {
	var timeout net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return err
	}
	c.readDone = c.tell(err)
	c.input.drop()
	return c.readDone
}

// countUseless ends a connection whose client sends records that carry nothing.
func (c *Conn) countUseless() error {
	if c.useless++; c.useless > maxUseless {
		return fault(alertUnexpectedMessage, "more than %d records in a row carry nothing", maxUseless)
	}
	return nil
}

// Write sends data to the client.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.writeDone != nil {
		return 0, c.writeDone
	}
	buf := buffers.Get().(*[bufferLen]byte)
	defer buffers.Put(buf) // it holds what was sent, sealed
	written := 0
	for written < len(p) {
		out, n, err := c.pack(buf[:0], p[written:])
		if err != nil {
			return written, c.tellHeld(err)
		}
		if _, err := c.conn.Write(out); err != nil {
			c.writeDone = err // it may have stopped in the middle of a record
			return written, err
		}
		written += n
	}
	return written, nil
}

// pack seals as many records as fit into out, and says how much of p is in
// them.
func (c *Conn) pack(out, p []byte) ([]byte, int, error) {
	packed, first := 0, c.split
	for packed < len(p) {
		n := min(len(p)-packed, c.sends)
		if first {
			n = 1 // 1/n-1, see Config.SplitRecords
		}
		if len(out) > 0 && len(out)+recordHeaderLen+n+maxOverhead > cap(out) {
			break
		}
		err := c.out.wear(n + maxShortExpansion)
		if err != nil {
			return nil, 0, err
		}
		if out, err = c.out.seal(out, typeApplicationData, p[packed:packed+n]); err != nil {
			return nil, 0, err
		}
		packed, first = packed+n, false
	}
	return out, packed, nil
}
