package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/copybuffer"
	"github.com/tlslift/tlslift/proxy/splice"
	"github.com/tlslift/tlslift/proxy/stack"
	"github.com/tlslift/tlslift/proxy/standby"
)

// A direction of a relay moves the bytes of one side to the other. While it moves none, it
// is at rest: nothing is left of it but this, and it goes on when something has come.
type direction struct {
	relay    *Relay
	from     Side
	src, dst net.Conn
	moved    atomic.Int64 // bytes
	first    []byte       // what was read of src already
	looks    bool         // at the bytes, as long as a handshake is passed
	err      error        // how it has ended

	socket *net.TCPConn // that says when something has come; nil if it cannot be at rest
	spot   uint64       // where it is known while it is at rest

	// Guarded by relay.idle.mu.
	asked   bool // to come to rest
	resting bool
}

// init makes it ready.
func (d *direction) init(r *Relay, from Side, src, dst net.Conn) {
	d.relay, d.from, d.src, d.dst = r, from, src, dst
	if canSplice(dst, src) || rawOf(src) != nil {
		d.socket = r.ending.sockets[from]
	}
}

// canSplice reports whether the kernel moves the bytes of a direction.
func canSplice(dst, src net.Conn) bool {
	_, is := dst.(*net.TCPConn)
	_, too := src.(*net.TCPConn)
	return asksKernel && is && too
}

// start is run in a goroutine of its own.
func (d *direction) start() {
	stack.Grow() // it may be the one that ends the relay
	d.run()
}

// run moves bytes until the direction ends or comes to rest.
func (d *direction) run() {
	for d.err = d.carry(); errors.Is(d.err, errAtRest); d.err = d.carry() {
		if d.rest() {
			return // somebody else goes on
		}
	}
	if d.relay.left.Add(-1) == 0 {
		d.relay.ended()
	}
}

// errAtRest is the error of a direction that was asked to come to rest.
var errAtRest = errors.New("at rest")

// lot has the directions of all relays that are at rest.
var lot standby.Lot

// rest comes to rest, and reports whether it has: it may be woken up at once.
func (d *direction) rest() bool {
	shrink(d.src)
	w := &d.relay.idle
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.awake {
		d.spot, d.resting = lot.Take(d.socket, d.resume)
	}
	return d.resting
}

// resume goes on after rest.
func (d *direction) resume() {
	d.relay.idle.resumed(d)
	d.run()
}

// isAsked reports whether err is that of a read that idleWatch.ask has ended, and lets the
// next read wait again.
func (d *direction) isAsked(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	w := &d.relay.idle
	w.mu.Lock()
	defer w.mu.Unlock()
	was := d.asked
	d.asked = false
	return was && w.err == nil && d.socket.SetReadDeadline(time.Time{}) == nil
}

// carry moves bytes and half-closes the end. The error may be errAtRest.
func (d *direction) carry() error {
	r := d.relay
	err := d.sendFirst()
	if err == nil {
		err = d.move()
	}
	var at *sideError
	switch {
	case errors.Is(err, errAtRest):
		return err
	case err == nil:
		r.ending.end(d.from, nil, false)
		return CloseWrite(d.dst)
	case r.idle.ended() != nil:
		return err
	case errors.As(err, &at):
		r.ending.end(at.side, at.err, at.write)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return Truncate(d.dst)
	}
	var alert *AlertedError
	if at != nil && at.side == Client && errors.As(err, &alert) {
		r.alerted.Store(true)
	}
	if r.alerted.Load() {
		r.abortUpstream()
	} else {
		r.abort()
	}
	r.Wake()
	return err
}

// sendFirst sends what was read already.
func (d *direction) sendFirst() error {
	first := d.first
	if d.first = nil; len(first) == 0 { // a write of nothing is still a system call
		return nil
	}
	if err := d.look(first); err != nil {
		return err
	}
	d.relay.idle.beginWrite(1 - d.from)
	n, err := d.dst.Write(first)
	d.relay.idle.endWrite(1 - d.from)
	d.moved.Add(int64(n))
	if err != nil {
		return &sideError{1 - d.from, true, err}
	}
	return nil
}

// look looks at bytes before dst has them, as long as a handshake is passed. The error is
// that of the handshake.
func (d *direction) look(p []byte) (err error) {
	if d.looks {
		d.looks, err = d.relay.readHandshake(d.from, p)
	}
	return err
}

// move copies until src ends or fails, or is to rest, and counts the bytes. Between two TCP
// sockets the kernel splices, unless few bytes come. The error is a *sideError, errAtRest, or
// that of look.
func (d *direction) move() error {
	if !canSplice(d.dst, d.src) {
		return d.copy()
	}
	s := splice.Stream{Dst: d.dst.(*net.TCPConn), Src: d.src.(*net.TCPConn), Moved: &d.moved}
	var lookErr error
	if d.looks {
		s.Look = func(p []byte) (bool, error) {
			lookErr = d.look(p)
			return d.looks, lookErr
		}
	}
	write, err := s.Move()
	switch {
	case err == nil, lookErr != nil:
		return lookErr
	case write:
		return &sideError{1 - d.from, true, err}
	case d.isAsked(err):
		return errAtRest
	}
	return &sideError{d.from, false, err}
}

// copy is move for all but two TCP sockets. It has no buffer while it waits for bytes, where
// the TLS of src can be read from without waiting.
func (d *direction) copy() error {
	r := d.relay
	var socket *standby.Reader
	if raw := rawOf(d.src); raw != nil {
		socket = raw.setStandby(true)
		defer raw.setStandby(false)
	}
	buffer := copybuffer.Buffer{Grows: r.InTLS}
	defer buffer.Release()
	for {
		buf := buffer.Space()
		n, err := d.src.Read(buf)
		buffer.Filled(n)
		if n > 0 {
			if err := d.look(buf[:n]); err != nil {
				return err
			}
			r.ending.moved(d.from)
			r.idle.beginWrite(1 - d.from)
			written, err := d.dst.Write(buf[:n])
			r.idle.endWrite(1 - d.from)
			d.moved.Add(int64(written))
			if err != nil {
				return &sideError{1 - d.from, true, err}
			}
		}
		switch {
		case errors.Is(err, standby.ErrNothing):
			buffer.Release()
			socket.Wait()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && d.isAsked(err):
			return errAtRest
		case err != nil:
			return &sideError{d.from, false, err}
		}
	}
}
