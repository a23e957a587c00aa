package probe

import (
	"context"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/mail"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A visit is one probe of one destination. It is the destination of a mail session that has
// no client.
type visit struct {
	dialer  *upstream.Dialer
	to      policy.Destination
	timeout time.Duration
	conn    net.Conn // nil before it is reached
	inside  net.Conn // nil before TLS
}

// open goes inside the destination's TLS, by STARTTLS on a port for that.
func (v *visit) open(ctx context.Context) error {
	scheme := listener.MailPort(v.to.Port)
	if scheme == "" || scheme.ImplicitTLS() {
		_, err := v.Handshake(ctx)
		return err
	}
	s := mail.New(mail.Config{Protocol: scheme.Mail(), Destination: v, Timeout: v.timeout})
	defer s.Close()
	return s.Secure(ctx)
}

// Dial implements mail.Destination.
func (v *visit) Dial(ctx context.Context) (net.Conn, error) {
	if v.conn != nil {
		return v.conn, nil
	}
	conn, err := v.dialer.Dial(ctx, v.to.Host, v.to.Port)
	if err != nil {
		return nil, upstream.Failure(err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // a connection without one is closed
	}
	v.conn = conn
	return conn, nil
}

// Handshake implements mail.Destination.
func (v *visit) Handshake(ctx context.Context) (net.Conn, error) {
	conn, err := v.Dial(ctx)
	if err != nil {
		return nil, err
	}
	inside, err := v.dialer.Handshake(ctx, conn, v.to.Host, v.to.Port, nil)
	if err != nil {
		return nil, upstream.Failure(err)
	}
	v.inside = inside
	return inside, nil
}

// close ends TLS properly, if it has begun.
func (v *visit) close() {
	switch {
	case v.inside != nil:
		_ = v.inside.Close()
	case v.conn != nil:
		_ = v.conn.Close()
	}
}
