package service

import (
	"context"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/clientfile"
)

// openMailboxes prepares the sign-in for clients, if there is a sign-in file.
func (s *Service) openMailboxes(clients *clientfile.Table, parts *proxy.Config) error {
	file, err := s.cfg.SignIn(clients)
	if file == nil || err != nil {
		return err
	}
	client, err := egress.Client(s.upstream)
	if err != nil {
		return err
	}
	observer := mailboxes.Observer{Log: s.log, Count: s.metrics.SignIn.TokenRequested}
	if s.mailboxes, err = mailboxes.New(s.cfg, file, client, observer); err != nil {
		return err
	}
	s.metrics.SignIn.Show(s.mailboxes.State)
	parts.SignIn, parts.Tokens = s.mailboxes.Keeper, s.mailboxes
	return nil
}

// reloadMailboxes reads the sign-in file again. With an error, what was read before
// stays in force.
func (s *Service) reloadMailboxes(clients *clientfile.Table) error {
	if s.mailboxes == nil {
		return nil
	}
	file, err := s.cfg.SignIn(clients)
	if err != nil {
		return err
	}
	if err := s.mailboxes.Replace(file); err != nil {
		return err
	}
	s.log.Info("read the sign-in file again", "mailboxes", len(file.Mailboxes()))
	return nil
}

// closeTime is how long a request for a token may take to end.
const closeTime = 2 * time.Second

func (s *Service) closeMailboxes() {
	if s.mailboxes == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = s.mailboxes.Close(ctx) // the process ends with what still waits
}
