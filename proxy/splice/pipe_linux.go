package splice

import (
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// maxPipes is how many pipes there may be, of two files each. A direction of a relay
	// needs one only while many bytes are on their way.
	maxPipes = 64
	// maxFreePipes is how many are kept for the next bytes.
	maxFreePipes = 16
	// pipeSize is how many bytes a pipe can have, if the system permits it. Linux lets an
	// ordinary user have 64 pipes of this size.
	pipeSize = 1 << 20
)

// A pipe carries bytes between two sockets inside the kernel.
type pipe struct{ r, w int }

// A pipePool has the pipes between uses. All are closed or in it when no bytes are on
// their way: the pool of Go's own net package leaves them open until a garbage collection.
type pipePool struct {
	mu   sync.Mutex
	free []*pipe
	open int // those in use, and the free ones
	uses int // directions of relays that may need one
}

// pipes are those of all relays.
var pipes pipePool

// enter notes that a direction of a relay may need pipes until it leaves.
func (l *pipePool) enter() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uses++
}

// leave undoes enter. The last one closes the free pipes.
func (l *pipePool) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.uses--; l.uses > 0 {
		return
	}
	for _, p := range l.free {
		l.close(p)
	}
	l.free = nil
}

// close closes a pipe. The caller holds the mutex.
func (l *pipePool) close(p *pipe) {
	l.open--
	_, _ = unix.Close(p.r), unix.Close(p.w)
}

// get returns an empty pipe; nil if there are too many, or too many open files.
func (l *pipePool) get() *pipe {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := len(l.free) - 1; last >= 0 {
		p := l.free[last]
		l.free = l.free[:last]
		return p
	}
	if l.open >= maxPipes {
		return nil
	}
	var ends [2]int
	if unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	l.open++
	_, _ = unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, pipeSize) // a smaller one does as well
	return &pipe{r: ends[0], w: ends[1]}
}

// put takes a pipe back, with nothing in it if it is empty.
func (l *pipePool) put(p *pipe, empty bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if empty && len(l.free) < maxFreePipes {
		l.free = append(l.free, p)
		return
	}
	l.close(p)
}
