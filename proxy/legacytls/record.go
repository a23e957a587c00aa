package legacytls

import (
	"crypto/tls"
	"encoding/binary"
)

// readRecord reads and opens one record. Its data is good until the next one. Data of the
// application is in into if that has room for the whole record, and in the input's buffer
// if not.
func (c *Conn) readRecord(into []byte) (typ byte, data []byte, err error) {
	if err := c.input.await(recordHeaderLen); err != nil {
		return 0, nil, err
	}
	header := c.input.buf[c.input.r : c.input.r+recordHeaderLen]
	typ, length := header[0], int(binary.BigEndian.Uint16(header[3:]))
	switch {
	case typ < typeChangeCipherSpec || typ > typeApplicationData:
		return 0, nil, fault(alertUnexpectedMessage, "a record of type %d", typ)
	case !c.acceptsVersion(typ, binary.BigEndian.Uint16(header[1:])):
		return 0, nil, fault(alertProtocolVersion, "a record of version %02x%02x", header[1], header[2])
	case length > maxPlaintext+maxExpansion:
		return 0, nil, fault(alertRecordOverflow, "a record of %d bytes", length)
	}
	if err := c.input.await(recordHeaderLen + length); err != nil {
		return 0, nil, err
	}
	c.input.takeSealed(recordHeaderLen)
	if typ == typeApplicationData && length <= len(into) && c.in.isProtected() {
		data, err = c.in.open(typ, c.input.takeSealed(length), into)
	} else {
		data, err = c.in.open(typ, c.input.take(length), nil)
	}
	if err != nil {
		return 0, nil, err
	}
	if len(data) > c.fragment {
		return 0, nil, fault(alertRecordOverflow, "a record with %d bytes of plaintext", len(data))
	}
	return typ, data, nil
}

// acceptsVersion reports whether a record may have a version: the one agreed on, and
// any one of TLS before that. A client that does not accept our ServerHello says so in
// a version of its own.
func (c *Conn) acceptsVersion(typ byte, version uint16) bool {
	if c.in.version == 0 || typ == typeAlert && !c.in.isProtected() {
		return version>>8 == tls.VersionTLS10>>8
	}
	return version == c.in.version
}

// maxOverhead is the most that protection adds: an initialization vector, a
// MAC by SHA-384, and a block of padding.
const maxOverhead = 16 + 48 + 16

// writeRecord seals and sends one record of another type; the caller holds
// writing.
func (c *Conn) writeRecord(typ byte, data []byte) error {
	out, err := c.out.seal(make([]byte, 0, recordHeaderLen+len(data)+maxOverhead), typ, data)
	if err != nil {
		return err
	}
	if _, err = c.conn.Write(out); err != nil {
		c.writeDone = err
	}
	return err
}
