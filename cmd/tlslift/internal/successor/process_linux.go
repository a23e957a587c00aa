package successor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/inherited"
)

// Signal asks for a hand-over.
const Signal = syscall.SIGUSR2

// readyTimeout is how long a successor may take to become ready.
const readyTimeout = time.Minute

// A Process is the next process of the service.
type Process struct {
	process *os.Process
	conn    net.Conn
	out     *outbox // nil until it is ready
}

// Options say what is started.
type Options struct {
	// Command is the path of the program and its arguments.
	Command []string
	// Environ is the environment of this process.
	Environ map[string]string
	// Sockets are the listening sockets that it gets.
	Sockets []Socket
}

// A Socket is a listening socket, with a name.
type Socket struct {
	Name string
	Conn syscall.Conn
}

// Start starts a process that has the sockets, in the way of systemd, and standard output
// and standard error of this one.
func Start(o Options) (*Process, error) {
	if len(o.Command) == 0 {
		return nil, errors.New("the path of the program is not known")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours := os.NewFile(uintptr(pair[0]), "successor")
	defer ours.Close() // the connection has a descriptor of its own
	descriptors := []int{pair[1]}
	defer func() {
		for _, fd := range descriptors {
			_ = unix.Close(fd)
		}
	}()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("connecting to the successor: %w", err)
	}
	for _, s := range o.Sockets {
		fd, err := duplicate(s.Conn)
		if err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("handing over %s: %w", s.Name, err)
		}
		descriptors = append(descriptors, fd)
	}
	p, err := start(o, append(descriptors[1:len(descriptors):len(descriptors)], descriptors[0]))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &Process{process: p, conn: conn}, nil
}

// duplicate returns a descriptor of a socket. It shares its mode with the socket: the
// functions of package os would make that a blocking one, and its listener could not be
// closed any more.
func duplicate(s syscall.Conn) (int, error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, done := -1, error(nil)
	err = raw.Control(func(of uintptr) { fd, done = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, done)
}

// start starts the program with descriptors from inherited.FirstFD on; the last is the
// connection to this process.
func start(o Options, descriptors []int) (*os.Process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()          // only for the other process
	const stdout, stderr = 1, 2 // (*os.File).Fd could change their mode
	files := []uintptr{null.Fd(), stdout, stderr}
	for _, fd := range descriptors {
		files = append(files, uintptr(fd))
	}
	pid, err := syscall.ForkExec(o.Command[0], o.Command, &syscall.ProcAttr{Env: o.environ(), Files: files}) //nolint:gosec // our own
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", o.Command[0], err)
	}
	return os.FindProcess(pid)
}

// environ returns the environment of the successor.
func (o Options) environ() []string {
	var all []string
	for name, value := range o.Environ {
		if !slices.Contains([]string{inherited.EnvCount, inherited.EnvNames, inherited.EnvPID, "WATCHDOG_PID", envFD}, name) {
			all = append(all, name+"="+value)
		}
	}
	names := make([]string, len(o.Sockets))
	for i, s := range o.Sockets {
		names[i] = s.Name
	}
	return append(all,
		inherited.EnvCount+"="+strconv.Itoa(len(names)), inherited.EnvNames+"="+strings.Join(names, ":"),
		envFD+"="+strconv.Itoa(inherited.FirstFD+len(names)))
}

// PID returns the number of the process.
func (p *Process) PID() int { return p.process.Pid }

// AwaitReady waits until the successor is ready. With an error, it has ended.
func (p *Process) AwaitReady() error {
	err := p.conn.SetReadDeadline(time.Now().Add(readyTimeout))
	var said string
	if err == nil {
		said, err = bufio.NewReader(io.LimitReader(p.conn, int64(len(readyLine)))).ReadString('\n')
	}
	if err == nil && said == readyLine {
		p.out = newOutbox(p.conn)
		return nil
	}
	_ = p.process.Kill()
	_ = p.conn.Close()
	state, waited := p.process.Wait()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("it was not ready after %s", readyTimeout)
	case waited != nil:
		return fmt.Errorf("waiting for it: %w", waited)
	}
	return fmt.Errorf("it ended: %s", state)
}

// Abort ends a successor that is not wanted any more: AwaitReady returns.
func (p *Process) Abort() { _ = p.process.Kill() }

// HangUp lets it read its configuration again.
func (p *Process) HangUp() { _ = p.process.Signal(syscall.SIGHUP) } // one that has ended reads nothing

// Send sends an event, without waiting for anybody. The successor has to be ready.
func (p *Process) Send(e Event) {
	if line, err := e.encode(); err == nil {
		p.out.put(line)
	}
}

// Close sends what waits, and returns how many events were lost.
func (p *Process) Close() int { return p.out.close() }

// Of returns the process that has started this one as its successor; nil if there is none.
func Of(environ map[string]string) (*Predecessor, error) {
	if environ[envFD] == "" {
		return nil, nil
	}
	fd, err := strconv.Atoi(environ[envFD])
	if err != nil || fd < inherited.FirstFD {
		return nil, fmt.Errorf("%s: %q is no descriptor", envFD, environ[envFD])
	}
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "predecessor")
	defer f.Close() // the connection has a descriptor of its own
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", envFD, err)
	}
	return &Predecessor{conn}, nil
}
