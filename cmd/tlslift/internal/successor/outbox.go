package successor

import (
	"net"
	"sync"
	"time"
)

const (
	// maxWaiting is how many bytes of events may wait: more than those of the most
	// connections.
	maxWaiting = 64 << 20
	// closeTimeout is how long those that wait may take in the end.
	closeTimeout = 2 * time.Second
)

// An outbox sends lines, so that nobody has to wait for it.
type outbox struct {
	conn net.Conn
	wake chan struct{} // has room for one
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	waiting [][]byte
	bytes   int
	lost    int // lines that were not sent
	closed  bool
}

func newOutbox(conn net.Conn) *outbox {
	o := &outbox{conn: conn, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.run()
	return o
}

// put lets a line be sent.
func (o *outbox) put(line []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.bytes+len(line) > maxWaiting {
		o.lost++
		return
	}
	o.waiting, o.bytes = append(o.waiting, line), o.bytes+len(line)
	o.signal()
}

// signal wakes the goroutine.
func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // it has not woken yet
	}
}

// take returns the lines that wait, and whether there will be no more.
func (o *outbox) take() ([][]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.waiting
	o.waiting, o.bytes = nil, 0
	return lines, o.closed
}

// run sends until close is called and nothing waits.
func (o *outbox) run() {
	defer close(o.done)
	for range o.wake {
		lines, closed := o.take()
		for i, line := range lines {
			if err := o.send(line); err != nil {
				o.fail(len(lines) - i)
				return
			}
		}
		if closed {
			return
		}
	}
}

func (o *outbox) send(line []byte) error {
	if err := o.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err := o.conn.Write(line)
	return err
}

// fail takes no more lines.
func (o *outbox) fail(lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost += lost + len(o.waiting)
	o.waiting, o.closed = nil, true
}

// close sends what waits, closes the connection, and returns how many lines were lost.
func (o *outbox) close() int {
	o.mu.Lock()
	o.closed = true
	o.signal()
	o.mu.Unlock()
	timer := time.AfterFunc(closeTimeout, func() { _ = o.conn.Close() })
	defer timer.Stop()
	<-o.done
	_ = o.conn.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}
