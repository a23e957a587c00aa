package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/listenerror"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
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
	return fmt.Errorf("%s%s: cannot listen on %s: %w; %s",
		settings.Prefix, setting, where, settings.SystemError(err), listenerror.Remedy(err))
}

func proxyListenError(err error) error {
	var listen *sockets.Error
	if errors.As(err, &listen) {
		return listenError("LISTEN", listen.URL.String(), listen.Err)
	}
	return err
}
