// Package inherited has the listening sockets that whoever started the process has
// opened for it, as systemd does for a .socket unit (sd_listen_fds(3)).
//
// It opens no socket itself, and takes none that is not a listening TCP socket.
package inherited

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// The variables of the environment that tell of the sockets, and the first descriptor.
const (
	EnvCount = "LISTEN_FDS"
	EnvNames = "LISTEN_FDNAMES"
	EnvPID   = "LISTEN_PID"
	FirstFD  = 3
)

// maxSockets is far above what anybody listens on.
const maxSockets = 512

// A Set is the sockets that were inherited. A nil Set has none.
type Set struct{ all []*socket }

// A socket is one of them.
type socket struct {
	net.Listener

	name  string
	taken bool
}

// Take takes the sockets that the environment of a process tells of; nil if there are
// none. A process whose number is not that of the variable has none. No number in the
// variable means any process, if anyPID is set: who has started it could not know it.
func Take(environ map[string]string, pid int, anyPID bool) (*Set, error) {
	if environ[EnvCount] == "" || environ[EnvPID] != strconv.Itoa(pid) && (environ[EnvPID] != "" || !anyPID) {
		return nil, nil
	}
	n, err := strconv.Atoi(environ[EnvCount])
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("%s: %q is not a number of sockets", EnvCount, environ[EnvCount])
	}
	names := strings.Split(environ[EnvNames], ":")
	s := &Set{}
	for i := range n {
		ln, err := open(FirstFD + i)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("%s: descriptor %d: %w", EnvCount, FirstFD+i, err)
		}
		one := &socket{Listener: ln}
		if i < len(names) {
			one.name = names[i]
		}
		s.all = append(s.all, one)
	}
	return s, nil
}

// errNoListener says what a .socket unit should have.
var errNoListener = errors.New("it is no TCP socket that listens; write ListenStream=ADDRESS:PORT in the .socket unit, and no Accept=yes")

// Listen returns the socket of an address, for example ":587", for the caller to close; nil
// if there is none. One whose port is 0 is found by its name.
func (s *Set) Listen(address, name string) (net.Listener, error) {
	if s == nil {
		return nil, nil
	}
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	for _, one := range s.all {
		if !one.taken && one.serves(resolved.AddrPort(), name) {
			one.taken = true
			return one.Listener, nil
		}
	}
	return nil, nil
}

// serves reports whether it is the socket of an address.
func (s *socket) serves(wanted netip.AddrPort, name string) bool {
	own := s.Addr().(*net.TCPAddr).AddrPort()
	switch {
	case wanted.Port() == 0:
		return name != "" && s.name == name
	case own.Port() != wanted.Port():
		return false
	}
	return own.Addr().Unmap() == wanted.Addr().Unmap() || own.Addr().Unmap().IsUnspecified() && isAny(wanted.Addr())
}

func isAny(a netip.Addr) bool { return !a.IsValid() || a.Unmap().IsUnspecified() }

// Rest returns the addresses of the sockets that nobody has asked for.
func (s *Set) Rest() (all []string) {
	if s == nil {
		return nil
	}
	for _, one := range s.all {
		if !one.taken {
			all = append(all, one.Addr().String())
		}
	}
	return all
}

// Close closes the sockets that nobody has asked for.
func (s *Set) Close() {
	if s == nil {
		return
	}
	for _, one := range s.all {
		if !one.taken {
			_ = one.Close()
		}
	}
}
