package legacytls

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Limits on what a client may send for nothing.
const (
	maxClientHello      = messageHeaderLen + 64<<10 // as in crypto/tls
	maxHandshakeMessage = 16 << 10                  // any other
	maxUseless          = 16                        // records in a row that carry nothing
)

// ErrClosed is what a Write gets after CloseWrite or Close.
var ErrClosed = errors.New("legacytls: the connection is closed for writing")

// A Conn is the server's side of a TLS connection. One goroutine may read from
// it while another one writes.
type Conn struct {
	conn   net.Conn
	config *Config

	handshaking sync.Mutex
	done        atomic.Bool
	failure     error // of the handshake
	state       ConnectionState
	sessionID   []byte

	reading  sync.Mutex
	input    input
	in       *protection
	plain    []byte // opened and not read yet; in the input's buffer
	message  []byte // of a handshake message, as far as it is there
	skip     int    // bytes that are still to come of one whose content has no effect
	useless  int    // records in a row that carried nothing
	readDone error  // what every further Read gets

	writing   sync.Mutex
	out       *protection
	fragment  int   // the most that one record may hold
	sends     int   // the most that one of ours holds
	writeDone error // what every further Write gets
	split     bool  // whether the next write is to be split; see Config.SplitRecords
}

// Server prepares a connection; the handshake comes with HandshakeContext or
// with the first Read or Write.
func Server(conn net.Conn, config *Config) *Conn {
	sends := maxPlaintext
	if config.RecordSize > 0 {
		sends = min(sends, config.RecordSize)
	}
	return &Conn{
		conn: conn, config: config, input: input{conn: conn},
		in: &protection{}, fragment: maxPlaintext, sends: sends,
		out: &protection{version: tls.VersionTLS10}, // of an alert before the client has named a version
	}
}

// LocalAddr is that of the connection below.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr is that of the connection below.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// SetDeadline sets the deadlines of the connection below. After a Write has
// timed out, the connection is of no use any more.
func (c *Conn) SetDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

// SetReadDeadline is SetDeadline for reading; a Read that timed out may be
// tried again.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline is SetDeadline for writing.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// ConnectionState describes the connection; before the handshake has ended it
// is zero.
func (c *Conn) ConnectionState() ConnectionState {
	if !c.done.Load() {
		return ConnectionState{}
	}
	return c.state
}

// HandshakeContext does the handshake unless it has been done. When ctx ends
// before it, the connection below is closed. A failure is final, and the client
// has been told by an alert; its error is a *ProtocolError, an *AlertError, or
// one of the connection below.
func (c *Conn) HandshakeContext(ctx context.Context) error {
	c.handshaking.Lock()
	defer c.handshaking.Unlock()
	if c.done.Load() || c.failure != nil {
		return c.failure
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	err := c.tell(c.handshake())
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		c.failure = err
		c.input.drop()
		return c.failure
	}
	c.done.Store(true)
	return nil
}

// Handshake is HandshakeContext without a context.
func (c *Conn) Handshake() error { return c.HandshakeContext(context.Background()) }

// tell sends the alert of a fault. Nothing more is sent after a fatal alert of
// either side (RFC 5246 section 7.2.2), and not even that after close_notify.
func (c *Conn) tell(err error) error {
	var ours *ProtocolError
	var theirs *AlertError
	if !errors.As(err, &ours) && !errors.As(err, &theirs) {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if ours != nil && c.writeDone == nil {
		_ = c.writeRecord(typeAlert, []byte{levelFatal, ours.Description})
	}
	c.writeDone = err
	if c.config.Sessions != nil { // it must not be resumed (RFC 5246 section 7.2.2)
		c.config.Sessions.forget(c.sessionID)
	}
	return err
}

// Read reads what the client sent. The end is io.EOF after close_notify,
// ErrNoCloseNotify without, and io.ErrUnexpectedEOF in the middle of a record.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for len(c.plain) == 0 {
		if err := c.readData(); err != nil {
			return 0, err
		}
	}
	n := c.takePlain(p)
	// Whole records that have come already are taken along.
	for n < len(p) && c.readDone == nil && c.input.whole(typeApplicationData) {
		if err := c.readData(); err != nil {
			break // the next Read says it
		}
		n += c.takePlain(p[n:])
	}
	return n, nil
}

// takePlain moves what is opened to p, and gives the buffer back with the last
// of it.
func (c *Conn) takePlain(p []byte) int {
	n := copy(p, c.plain)
	c.plain = c.plain[n:]
	if len(c.plain) == 0 {
		c.plain = nil
		c.input.release()
	}
	return n
}

// readData opens the next record of data, or handles one of another type.
func (c *Conn) readData() error {
	if c.readDone != nil {
		return c.readDone
	}
	typ, data, err := c.readRecord()
	if err != nil {
		return c.readEnds(err)
	}
	switch typ {
	case typeApplicationData:
		c.plain = data
		if len(data) == 0 { // half of a defence against BEAST; some clients do it
			c.input.release()
			return c.readEnds(c.countUseless())
		}
		c.useless = 0
		return nil
	case typeAlert:
		err = c.handleAlert(data)
	case typeHandshake:
		err = c.refuseRenegotiation(data)
	default:
		err = fault(alertUnexpectedMessage, "a record of type %d after the handshake", typ)
	}
	c.input.release()
	return c.readEnds(err)
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

// handleAlert returns how the connection ends, or nil after a warning.
func (c *Conn) handleAlert(data []byte) error {
	if len(data) != 2 {
		return fault(alertDecodeError, "an alert of %d bytes", len(data))
	}
	switch {
	case alert(data[1]) == alertCloseNotify:
		return io.EOF
	case data[0] == levelWarning:
		return c.countUseless()
	case data[0] == levelFatal:
		return &AlertError{data[1]}
	}
	return fault(alertIllegalParameter, "an alert of level %d", data[0])
}

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

func (c *Conn) warn(a alert) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.writeDone != nil {
		return nil
	}
	return c.writeRecord(typeAlert, []byte{levelWarning, byte(a)})
}

// readRecord reads and opens one record. Its data is good until the next one.
func (c *Conn) readRecord() (typ byte, data []byte, err error) {
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
	c.input.take(recordHeaderLen)
	if data, err = c.in.open(typ, c.input.take(length)); err != nil {
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
			return written, err
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
		var err error
		if out, err = c.out.seal(out, typeApplicationData, p[packed:packed+n]); err != nil {
			return nil, 0, err
		}
		packed, first = packed+n, false
	}
	return out, packed, nil
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

// CloseWrite sends close_notify: nothing more will be written. What the client
// still sends can be read.
func (c *Conn) CloseWrite() error {
	if !c.done.Load() {
		return errors.New("legacytls: closing for writing before the handshake has ended")
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	switch {
	case errors.Is(c.writeDone, ErrClosed):
		return nil
	case c.writeDone != nil:
		return c.writeDone
	}
	c.writeDone = ErrClosed
	return c.writeRecord(typeAlert, []byte{levelWarning, byte(alertCloseNotify)})
}

// closeTimeout bounds the farewell of Close.
const closeTimeout = 5 * time.Second

// Close sends close_notify if the handshake has ended, closes the connection
// below, and ends every Read and Write.
func (c *Conn) Close() error {
	if c.done.Load() && c.conn.SetWriteDeadline(time.Now().Add(closeTimeout)) == nil {
		_ = c.CloseWrite() // the client may be gone already
	}
	return c.conn.Close()
}
