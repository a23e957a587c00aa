package faults

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// The directions of a link.
const (
	up   = iota // from who connects
	down        // to who connects
)

// A link is a network between two peers, in which something may go wrong. It has the
// toxics of toxiproxy. Its own proxy has not: that one closes both directions at the end
// of one, and a toxic that ends a connection leaves a goroutine behind.
type link struct {
	t        *testing.T
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu     sync.Mutex
	toxic  [2]toxics.Toxic // by direction
	resets bool            // a direction that a toxic ends is reset, both ways
	deaf   bool            // connections are accepted and closed
	open   map[*pipe]bool
}

// newLink begins to link to an address.
func newLink(t *testing.T, to string) *link {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := &link{t: t, listener: ln, to: to, open: map[*pipe]bool{}}
	l.heal()
	l.running.Go(l.accept)
	t.Cleanup(l.stop)
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

// heal lets new connections through as they are.
func (l *link) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.toxic, l.resets, l.deaf = [2]toxics.Toxic{new(toxics.NoopToxic), new(toxics.NoopToxic)}, false, false
}

// poison gives a direction a toxic, also for connections that are open.
func (l *link) poison(direction int, toxic toxics.Toxic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.toxic[direction] = toxic
	for p := range l.open {
		p.directions[direction].swap(toxic)
	}
}

// cut ends all connections that are open: with a reset, or as if the peer had ended.
func (l *link) cut(reset bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.open {
		p.end(reset)
	}
}

// stop ends everything.
func (l *link) stop() {
	_ = l.listener.Close()
	l.cut(true)
	l.running.Wait()
}

func (l *link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		deaf := l.deaf
		l.mu.Unlock()
		if deaf {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
			continue
		}
		far, err := net.Dial("tcp", l.to)
		if err != nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
			continue
		}
		l.carry(conn.(*net.TCPConn), far.(*net.TCPConn))
	}
}

// carry begins to carry a connection.
func (l *link) carry(near, far *net.TCPConn) {
	p := &pipe{near: near, far: far}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, d := range [2]*direction{{from: near, to: far}, {from: far, to: near}} {
		d.pipe, d.resets = p, l.resets
		p.directions[i] = d
		d.begin(l.toxic[i])
	}
	l.open[p] = true
	l.running.Go(func() {
		p.running.Wait()
		p.end(false)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, p)
	})
}

// A pipe is one connection through a link.
type pipe struct {
	near, far  *net.TCPConn
	directions [2]*direction
	running    sync.WaitGroup
}

// end ends both sides.
func (p *pipe) end(reset bool) {
	for _, c := range []*net.TCPConn{p.near, p.far} {
		if reset {
			_ = c.SetLinger(0)
		}
		_ = c.Close()
	}
}

// A direction is one of the two of a pipe: what is read goes through a toxic, and is
// written.
type direction struct {
	pipe     *pipe
	from, to *net.TCPConn
	resets   bool
	stub     *toxics.ToxicStub
	ended    chan struct{} // closed when nothing more is written
}

func (d *direction) begin(toxic toxics.Toxic) {
	in, out := make(chan *stream.StreamChunk, 64), make(chan *stream.StreamChunk)
	d.stub, d.ended = toxics.NewToxicStub(in, out), make(chan struct{})
	d.pipe.running.Go(func() { d.read(in) })
	d.pipe.running.Go(func() { d.write(out) })
	d.run(toxic)
}

func (d *direction) run(toxic toxics.Toxic) {
	if stateful, is := toxic.(toxics.StatefulToxic); is {
		d.stub.State = stateful.NewState()
	}
	begun := make(chan struct{})
	d.pipe.running.Go(func() {
		d.stub.Run(&toxics.ToxicWrapper{Toxic: announced{toxic, begun}, Toxicity: 1.1})
	})
	<-begun // so that it can be interrupted
}

// announced is a toxic that says when it has begun.
type announced struct {
	toxics.Toxic

	begun chan struct{}
}

// Pipe implements toxics.Toxic.
func (a announced) Pipe(stub *toxics.ToxicStub) {
	close(a.begun)
	a.Toxic.Pipe(stub)
}

// swap puts another toxic in the place of the one that runs.
func (d *direction) swap(toxic toxics.Toxic) {
	if d.stub.InterruptToxic() {
		d.run(toxic)
	}
}

// read reads to the end, also when nobody wants it any more.
func (d *direction) read(in chan<- *stream.StreamChunk) {
	defer close(in)
	buf := make([]byte, 16<<10)
	for {
		n, err := d.from.Read(buf)
		if n > 0 {
			select {
			case in <- &stream.StreamChunk{Data: append([]byte{}, buf[:n]...), Timestamp: time.Now()}:
			case <-d.ended:
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				d.pipe.end(true) // a reset is one for the other side too
			}
			return
		}
	}
}

// write writes what comes through the toxic. Its end is the end of this direction.
func (d *direction) write(out <-chan *stream.StreamChunk) {
	defer close(d.ended)
	for chunk := range out {
		_, _ = d.to.Write(chunk.Data)
	}
	if d.resets {
		d.pipe.end(true)
	}
	_ = d.to.CloseWrite()
}
