package mail

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/dialogue"
	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// attention is how often it is looked whether a client that waits is still there.
const attention = time.Second

// errLeft is a client that has gone before its turn came.
var errLeft = errors.New("the client left while it waited")

// attended does what may take long, and ends it when the client leaves, which it reports:
// nobody reads from a client that has to wait, and it would stand in the way of others. A
// client that is not silent has said what comes next, and is served even if it has closed
// its side.
func (s *side) attended(ctx context.Context, isSilent bool, do func(context.Context) error) (left bool, err error) {
	if !isSilent {
		return false, do(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		awaitLeave(ctx, s.conn, cancel)
	}()
	err = do(ctx)
	cancel(nil)
	<-ended
	return err != nil && errors.Is(context.Cause(ctx), errLeft), err
}

// awaitLeave cancels ctx when the client leaves, and ends with ctx.
func awaitLeave(ctx context.Context, client net.Conn, cancel context.CancelCauseFunc) {
	again := time.NewTicker(attention)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			if relay.HasLeft(client) {
				cancel(errLeft)
			}
		}
	}
}

// gate asks whether a mail may pass, and waits for its turn. If not, the client reads
// why, and the session ends.
func (l *login) gate(ctx context.Context) dialogue.Gate {
	return dialogue.Gate{
		Ask: func(sender string, more bool) error {
			left, err := l.near.attended(ctx, !more, func(ctx context.Context) error { return l.seat.Mail(ctx, sender) })
			if left {
				return record.Fail(record.ReasonClientCutOff, errors.New("the client left while its mail waited for its turn"))
			}
			return err
		},
		AuthAgain: func() error {
			err := l.near.write([]byte(l.SignedInAlready(dialect.Command{})))
			return errors.Join(err, l.near.conn.SetWriteDeadline(time.Time{}))
		},
		Refuse: func(err error) {
			var f *record.Failure
			if !errors.As(err, &f) {
				return
			}
			f.Replied, l.failure = true, f
			if l.near.write(Refusal(l.cfg.Protocol, f)) == nil {
				_ = relay.CloseWrite(l.near.conn)
				_ = relay.ReadOut(l.near.conn, maxReply) // it may take its time to read why
			}
		},
	}
}
