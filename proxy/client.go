package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// maxEarly bounds what a client may have sent before its connection is handed
// to the HTTP server or the relay; it is also the reader's size.
const maxEarly = clienthello.MaxSize

// readers holds the peeking readers between connections: a reader is only
// needed until its bytes are relayed, and 16 KiB for every open connection
// would be most of the memory that a relayed connection costs.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxEarly) }}

// A client is one accepted connection with its one reader: every stage peeks
// at or reads from that reader, and the relay drains it. Reading through Read
// always gives the client's bytes in order.
type client struct {
	net.Conn // the accepted connection

	reader   *bufio.Reader // nil once drained
	source   *source       // what reader reads from
	listener *socket
	rec      *record.Record
	options  clientfile.Options // of the clients file

	original     netip.AddrPort     // where a redirected client was going; invalid for others
	toldOriginal bool               // a PROXY header named original, and not the kernel
	looped       atomic.Bool        // upstream has come back to us
	tunnel       *tunnel            // the CONNECT request; nil on other listeners
	destination  policy.Destination // where the client wants to go
	hello        *clienthello.Hello // nil until peeked
	upstream     net.Conn           // nil until dialled
	unguard      func()             // ends the guard of upstream; see dial
	mail         *mail              // nil unless it is SMTP, IMAP or POP3
	lifting      bool               // the client's TLS is to end here
	startedTLS   bool               // our handshake with the client has begun
	inside       clientTLS          // the client's TLS, once that is complete
}

// A source reads bytes that were given back, then the connection.
type source struct {
	given []byte
	conn  net.Conn
}

func (s *source) Read(p []byte) (int, error) {
	if len(s.given) > 0 {
		n := copy(p, s.given)
		s.given = s.given[n:]
		return n, nil
	}
	return s.conn.Read(p)
}

func newClient(l *socket, conn net.Conn, now time.Time) *client {
	src := &source{conn: conn}
	r := readers.Get().(*bufio.Reader)
	r.Reset(src)
	return &client{
		Conn: conn, reader: r, source: src, listener: l,
		rec: &record.Record{
			Listener: l.name, Client: addrPortOf(conn.RemoteAddr()).Addr(), Start: now,
			Protocol: record.ProtocolUnknown, OfferedVersion: record.VersionNone,
		},
	}
}

// addrPortOf returns an IPv4 address as such, also of a socket of both families.
func addrPortOf(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// Read gives what was peeked or given back first, then the connection's own
// bytes; from then on the reader's buffer is free for another connection.
func (c *client) Read(p []byte) (int, error) {
	if c.reader == nil {
		return c.Conn.Read(p)
	}
	if c.reader.Buffered() > 0 || len(c.source.given) > 0 {
		return c.reader.Read(p)
	}
	c.releaseReader()
	return c.Conn.Read(p)
}

// buffered takes all bytes that were read from the connection but not
// consumed.
func (c *client) buffered() []byte {
	if c.reader == nil {
		return nil
	}
	peeked, _ := c.reader.Peek(c.reader.Buffered())
	all := append(bytes.Clone(peeked), c.source.given...)
	c.releaseReader()
	return all
}

func (c *client) releaseReader() {
	if c.reader == nil {
		return
	}
	c.reader.Reset(nil)
	readers.Put(c.reader)
	c.reader = nil
}

// giveBack puts bytes that another reader took from the connection in front
// of it again, so that the next stage peeks at them.
func (c *client) giveBack(early []byte) {
	all := append(bytes.Clone(early), c.buffered()...)
	c.source.given = all
	c.reader = readers.Get().(*bufio.Reader)
	c.reader.Reset(c.source)
}

// CloseWrite sends a FIN: the client's half-close, honoured.
func (c *client) CloseWrite() error { return closeWrite(c.Conn) }

// closeWrite half-closes conn when it can be.
func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// lingerTime and lingerBytes bound how long a refused client is listened to.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 256 << 10
)

// linger half-closes and reads what the client still sends before the caller
// closes: closing a socket with unread bytes sends a reset, which can destroy
// the error message on its way to the client (RFC 1122 section 4.2.2.13).
func (c *client) linger() {
	if c.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, lingerBytes)
}

// abort ends both sides at once with a reset. A broken transfer has to look
// broken to the side that is still there, and many old clients take a mere FIN
// for its end, with or without a close_notify.
func (c *client) abort() {
	reset(c.Conn)
	if c.upstream != nil {
		reset(c.upstream)
	}
}

// reset closes conn and discards what it has not sent yet.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// close frees everything the connection holds.
func (c *client) close() {
	c.releaseReader()
	_ = c.Close()
	if c.mail != nil {
		c.mail.reading.release()
	}
	if c.upstream != nil {
		c.unguard()
		_ = c.upstream.Close()
	}
}

// isReset reports the ordinary ends of a connection whose peer went away.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNABORTED)
}

// errNotConnected is what a half-close of an already reset connection gives.
var errNotConnected error = syscall.ENOTCONN

// forget takes back what is known of requests that were served in a connection
// which then goes on as a tunnel.
func (c *client) forget() {
	c.rec.Protocol, c.rec.Destination = record.ProtocolUnknown, ""
	c.rec.Outcome, c.rec.Reason, c.rec.Err = "", "", nil
	c.rec.BytesFromClient, c.rec.BytesToClient = 0, 0
}
