package inherited

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// open takes a descriptor, which is closed if it is of no use.
func open(fd int) (net.Listener, error) {
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "inherited socket")
	defer f.Close() // the listener has a descriptor of its own
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || listens == 0 {
		return nil, errNoListener
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("taking the socket: %w", err)
	}
	if _, isTCP := ln.(*net.TCPListener); !isTCP {
		_ = ln.Close()
		return nil, errNoListener
	}
	return ln, nil
}
