package legacytls

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Limits on what a client may send for nothing.
const (
	maxClientHello      = messageHeaderLen + 64<<10 // that of crypto/tls
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
