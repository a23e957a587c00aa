package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/sockets"
)

func (s *Service) listen(ctx context.Context) error {
	if err := s.admin.listen(ctx); err != nil {
		return err
	}
	if err := s.public.listen(ctx); err != nil {
		s.admin.close()
		return err
	}
	if err := s.proxy.Listen(ctx); err != nil {
		s.admin.close()
		s.public.close()
		return proxyListenError(err)
	}
	if err := s.checkInherited(); err != nil {
		s.admin.close()
		s.public.close()
		return err
	}
	return nil
}

// listenError returns an error that names the setting of an address that cannot be
// listened on, and what to do.
func listenError(setting, where string, err error) error {
	remedy := "choose another address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "stop the program that has the port, or choose another one"
	case errors.Is(err, origdst.ErrUnsupported):
		remedy = "remove the listener; others, such as smtp:// and proxy://, work on every system"
	case errors.Is(err, syscall.EPERM):
		remedy = "tproxy:// needs CAP_NET_ADMIN: give it to tlslift, or use redirect://, which needs no capability"
	case errors.Is(err, os.ErrPermission):
		remedy = "choose a port above 1023, or give tlslift the right to lower ones (CAP_NET_BIND_SERVICE)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "choose an address of this machine, or leave out the address for all of them"
	}
	return fmt.Errorf("%s%s: cannot listen on %s: %w; %s", settings.Prefix, setting, where, settings.SystemError(err), remedy)
}

func proxyListenError(err error) error {
	var listen *sockets.Error
	if errors.As(err, &listen) {
		return listenError("LISTEN", listen.URL.String(), listen.Err)
	}
	return err
}
