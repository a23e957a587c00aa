package proxy

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/turns"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// An outbound is the destination of a connection and our connection to it.
type outbound struct {
	dialer  *upstream.Dialer
	loops   *upstream.Loops
	timeout time.Duration // of dialling, and of the handshake
	rec     *record.Record
	turn    *turns.Turn // of this handshake, and of the client's

	from     netip.AddrPort // the client
	original netip.AddrPort // its original destination; invalid unless it was redirected

	destination policy.Destination // as allowed; zero until it is known
	alpn        []string           // what to offer; nil for nothing

	conn   net.Conn    // nil until dialled
	secure *relay.TLS  // the TLS on conn; nil until the handshake is complete
	unbind func()      // ends what is bound to conn
	isLoop atomic.Bool // conn was redirected back to us
}

// set notes the destination.
func (o *outbound) set(d policy.Destination) {
	o.destination = d
	o.rec.Destination = d.String()
}

// Dial opens the connection to the destination unless it is open. It ends with
// ctx. The error is a *record.Failure.
func (o *outbound) Dial(ctx context.Context) (net.Conn, error) {
	if o.conn != nil {
		return o.conn, nil
	}
	// By now, if this connection is one of ours, that one has been noted: TLS has
	// begun in it, or it waits for our greeting.
	if o.isLoop.Load() || o.original.IsValid() && o.loops.Detect(o.from, o.original) {
		return nil, record.Fail(record.ReasonRedirectLoop, nil)
	}
	timed, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	opened, err := o.dialer.Dial(timed, o.destination.Host, o.destination.Port)
	if err != nil {
		return nil, upstream.Failure(err)
	}
	o.conn = opened
	remove := o.loops.Add(opened, &o.isLoop)
	stop := context.AfterFunc(ctx, func() { relay.Reset(opened) })
	o.unbind = func() {
		remove()
		stop()
	}
	return opened, nil
}

// Handshake opens verified TLS on the connection and returns it. The error is a
// *record.Failure.
func (o *outbound) Handshake(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if err := o.turn.Begin(ctx); err != nil {
		return nil, err
	}
	defer o.turn.End()
	start := time.Now()
	raw := relay.NewRaw(o.conn)
	raw.Turn = o.turn
	secure, err := o.dialer.Handshake(ctx, raw, o.destination.Host, o.destination.Port, o.alpn)
	raw.Turn = nil
	switch f := o.turn.Failure(); {
	case f != nil:
		return nil, f
	case err != nil:
		return nil, upstream.Failure(err)
	}
	o.secure = relay.NewTLS(secure, raw)
	o.rec.UpstreamTLS = clienttls.Describe(secure.ConnectionState(), start)
	return o.secure, nil
}

// fetch connects to another destination, for a request of plain HTTP, inside verified
// TLS if secure. The error is a *record.Failure.
func (o *outbound) fetch(ctx context.Context, to policy.Destination, secure bool) (net.Conn, error) {
	o.drop()
	o.set(to)
	o.alpn = []string{"http/1.1"}
	conn, err := o.Dial(ctx)
	if err == nil && secure {
		conn, err = o.Handshake(ctx)
	}
	if o.isLoop.Load() {
		return nil, record.Fail(record.ReasonRedirectLoop, err)
	}
	return conn, err
}

// drop closes the connection, so that Dial opens another one.
func (o *outbound) drop() {
	o.close()
	o.conn, o.secure = nil, nil
	o.rec.UpstreamTLS = nil // it says nothing about the next one
}

// close closes the connection.
func (o *outbound) close() {
	if o.conn != nil {
		o.unbind()
		_ = o.conn.Close()
	}
}
