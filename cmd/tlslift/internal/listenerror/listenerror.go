// Package listenerror says what to do about an address that cannot be listened on.
package listenerror

import (
	"errors"
	"os"
	"syscall"

	"github.com/tlslift/tlslift/proxy/origdst"
)

// Remedy returns what to do about the error of a listener.
func Remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop the program that has the port, or choose another one"
	case errors.Is(err, origdst.ErrUnsupported):
		return "remove the listener; others, such as smtp:// and proxy://, work on every system"
	case errors.Is(err, syscall.EPERM):
		return "tproxy:// needs CAP_NET_ADMIN: give it to tlslift, or use redirect://, which needs no capability"
	case errors.Is(err, os.ErrPermission):
		return "choose a port above 1023, or give tlslift the right to lower ones (CAP_NET_BIND_SERVICE)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "choose an address of this machine, or leave out the address for all of them"
	}
	return "choose another address"
}
