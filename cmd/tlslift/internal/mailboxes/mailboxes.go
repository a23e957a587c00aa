// Package mailboxes puts the sign-in of a running tlslift together: who may use which
// mailbox, and the tokens for it.
package mailboxes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/signin"
)

// A Service knows who may use which mailbox, and gives the tokens for it. It implements
// mail.Tokens, and is safe for concurrent use.
type Service struct {
	// Keeper says who may use which mailbox.
	Keeper *signin.Keeper

	http     *http.Client
	observer entra.Observer
	closing  sync.WaitGroup // sources that were replaced

	mu     sync.RWMutex
	file   *signin.Config // in force
	source *entra.Source
}

// New returns a Service for a sign-in file. The client reaches Entra; an observer of nil
// means none.
func New(c *settings.Config, file *signin.Config, client *http.Client, o entra.Observer) (*Service, error) {
	s := &Service{Keeper: signin.New(file), http: client, observer: o, file: file}
	var err error
	s.source, err = s.newSource(c, file)
	return s, err
}

// clouds are the names of entra for the instances of Microsoft 365.
var clouds = map[m365.Instance]string{m365.Worldwide: "global", m365.GCCHigh: "usgov", m365.DoD: "usgov", m365.China: "china"}

func (s *Service) newSource(c *settings.Config, file *signin.Config) (*entra.Source, error) {
	source, err := entra.New(entra.Config{
		Tenant:             file.Tenant,
		Cloud:              clouds[m365.Instance(c.Instance.String())],
		ApplicationID:      file.Application.ID,
		SecretFile:         file.Application.SecretFile,
		CertificateFile:    file.Application.CertificateFile,
		FederatedTokenFile: file.Application.FederatedTokenFile,
		ManagedIdentity:    file.Application.ManagedIdentity,
		HTTP:               s.http,
		StateDir:           LoginDir(c),
		Observer:           s.observer,
	})
	if err != nil {
		return nil, fmt.Errorf("%sSIGNIN_FILE: %s: %w", settings.Prefix, c.SignInFile, err)
	}
	return source, nil
}

// Prepare reads what another sign-in file names, and returns what puts the file into
// force. Either commit or drop has to be called.
func (s *Service) Prepare(c *settings.Config, file *signin.Config) (commit, drop func(), err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	source := s.source
	application := file.Application
	application.Expires = s.file.Application.Expires // which no token depends on
	drop = func() {}
	if file.Tenant != s.file.Tenant || application != s.file.Application {
		if source, err = s.newSource(c, file); err != nil {
			return nil, nil, err
		}
		drop = func() { _ = source.Close(context.Background()) } // nobody has asked it for anything
	}
	return func() { s.use(file, source) }, drop, nil
}

// use puts a file into force. Sessions that wait for the source before ask the new one.
func (s *Service) use(file *signin.Config, source *entra.Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.source; old != source {
		s.closing.Go(func() { _ = old.Close(context.Background()) })
	}
	s.source, s.file = source, file
	s.Keeper.Replace(file)
}

// File returns the file in force.
func (s *Service) File() *signin.Config {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.file
}

// Source returns what gives tokens now.
func (s *Service) Source() *entra.Source {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.source
}

// Token implements mail.Tokens.
func (s *Service) Token(ctx context.Context, id entra.Identity) (entra.Token, error) {
	return s.ask(ctx, func(of *entra.Source) (entra.Token, error) { return of.Token(ctx, id) })
}

// Renew implements mail.Tokens.
func (s *Service) Renew(ctx context.Context, id entra.Identity, refused entra.Token) (entra.Token, error) {
	return s.ask(ctx, func(of *entra.Source) (entra.Token, error) { return of.Renew(ctx, id, refused) })
}

// ask asks the source in force. A request that ends because another source has taken its
// place asks that one.
func (s *Service) ask(ctx context.Context, get func(*entra.Source) (entra.Token, error)) (entra.Token, error) {
	for {
		source := s.Source()
		token, err := get(source)
		if err == nil || ctx.Err() != nil || s.Source() == source {
			return token, err
		}
	}
}

// Freeze lets another process store the sign-ins of people that are renewed. A nil Service
// has none.
func (s *Service) Freeze() {
	if s != nil {
		entra.Freeze(s.Source())
	}
}

// Close ends requests for tokens, and waits for them until ctx is done.
func (s *Service) Close(ctx context.Context) error {
	err := s.Source().Close(ctx)
	done := make(chan struct{})
	go func() {
		s.closing.Wait()
		close(done)
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}
