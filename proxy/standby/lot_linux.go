package standby

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Lot waits for many TCP connections with one goroutine, which is there only while it has
// one of them. The zero value has none. It is safe for concurrent use.
type Lot struct {
	mu    sync.Mutex
	watch *watch // nil while there is no connection
	ready map[uint64]func()
	last  uint64 // the last spot that was given
}

// A watch is an epoll instance, whose goroutine ends when the file is closed.
type watch struct {
	fd   int
	file *os.File // it, for Go's own poller
	raw  syscall.RawConn
}

// Take waits for conn: ready is called in a goroutine of its own once there is something to
// read, the end or an error, which may be at once. It returns what Leave needs, and whether
// all this is so. Who closes conn calls Leave: nothing is told of that.
func (l *Lot) Take(conn *net.TCPConn, ready func()) (spot uint64, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.endIfEmpty()
	if l.watch == nil && l.begin() != nil {
		return 0, false
	}
	l.last++
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT,
		Fd:     int32(l.last), Pad: int32(l.last >> 32), //nolint:gosec // its two halves
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = unix.EpollCtl(l.watch.fd, unix.EPOLL_CTL_ADD, int(fd), &event); errors.Is(failed, unix.EEXIST) {
			failed = unix.EpollCtl(l.watch.fd, unix.EPOLL_CTL_MOD, int(fd), &event)
		}
	})
	if err != nil || failed != nil {
		return 0, false
	}
	l.ready[l.last] = ready
	return l.last, true
}

// Leave ends the wait that Take began, and reports whether it was still going on: ready is
// not called then.
func (l *Lot) Leave(conn *net.TCPConn, spot uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready[spot] == nil {
		return false
	}
	delete(l.ready, spot)
	if raw, err := conn.SyscallConn(); err == nil { // a closed one is out already
		_ = raw.Control(func(fd uintptr) { _ = unix.EpollCtl(l.watch.fd, unix.EPOLL_CTL_DEL, int(fd), nil) })
	}
	l.endIfEmpty()
	return true
}

// begin begins to wait. l.mu is held.
func (l *Lot) begin() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	_ = unix.SetNonblock(fd, true) // which tells os.NewFile that it can be polled
	w := &watch{fd: fd, file: os.NewFile(uintptr(fd), "standby epoll")}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return err
	}
	if l.ready == nil {
		l.ready = map[uint64]func(){}
	}
	l.watch = w
	go l.run(w)
	return nil
}

// endIfEmpty ends the wait when there is no connection. l.mu is held.
func (l *Lot) endIfEmpty() {
	if len(l.ready) == 0 && l.watch != nil {
		_ = l.watch.file.Close()
		l.watch, l.ready = nil, nil // a map does not become smaller
	}
}

// mostEvents is how many connections are told of at a time.
const mostEvents = 64

// run calls what is ready until the file is closed.
func (l *Lot) run(w *watch) {
	var events [mostEvents]unix.EpollEvent
	var n int
	wait := func(uintptr) bool {
		var err error
		for n, err = unix.EpollWait(w.fd, events[:], 0); errors.Is(err, unix.EINTR); {
			n, err = unix.EpollWait(w.fd, events[:], 0)
		}
		return n > 0 || err != nil
	}
	for w.raw.Read(wait) == nil {
		l.tell(w, events[:max(0, n)])
	}
}

func (l *Lot) tell(w *watch, events []unix.EpollEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watch != w {
		return
	}
	for _, e := range events {
		spot := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32 //nolint:gosec // its two halves
		if ready := l.ready[spot]; ready != nil {
			delete(l.ready, spot)
			go ready()
		}
	}
	l.endIfEmpty()
}
