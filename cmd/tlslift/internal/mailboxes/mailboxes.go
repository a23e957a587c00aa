// Package mailboxes puts the sign-in of a running tlslift together: who may use which
// mailbox, and the tokens for it.
package mailboxes

import (
	"context"
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

	settings *settings.Config
	http     *http.Client
	observer entra.Observer

	mu     sync.RWMutex
	file   *signin.Config // in force
	source *entra.Source
}

// New returns a Service for a sign-in file. The client reaches Entra; an observer of nil
// means none.
func New(c *settings.Config, file *signin.Config, client *http.Client, o entra.Observer) (*Service, error) {
	s := &Service{Keeper: signin.New(file), settings: c, http: client, observer: o, file: file}
	var err error
	s.source, err = s.newSource(file)
	return s, err
}

// clouds are the names of entra for the instances of Microsoft 365.
var clouds = map[m365.Instance]string{m365.Worldwide: "global", m365.GCCHigh: "usgov", m365.DoD: "usgov", m365.China: "china"}

func (s *Service) newSource(file *signin.Config) (*entra.Source, error) {
	source, err := entra.New(entra.Config{
		Tenant:             file.Tenant,
		Cloud:              clouds[m365.Instance(s.settings.Instance.String())],
		ApplicationID:      file.Application.ID,
		SecretFile:         file.Application.SecretFile,
		CertificateFile:    file.Application.CertificateFile,
		FederatedTokenFile: file.Application.FederatedTokenFile,
		ManagedIdentity:    file.Application.ManagedIdentity,
		HTTP:               s.http,
		StateDir:           LoginDir(s.settings),
		Observer:           s.observer,
	})
	if err != nil {
		return nil, fmt.Errorf("%sSIGNIN_FILE: %s: %w", settings.Prefix, s.settings.SignInFile, err)
	}
	return source, nil
}

// Replace puts another file into force. With an error the one before stays.
func (s *Service) Replace(file *signin.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	application := file.Application
	application.Expires = s.file.Application.Expires // which no token depends on
	if file.Tenant != s.file.Tenant || application != s.file.Application {
		source, err := s.newSource(file)
		if err != nil {
			return err
		}
		old := s.source
		s.source = source
		// Sessions that wait for the old one hear that it has ended, and try again.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = old.Close(ctx)
	}
	s.file = file
	s.Keeper.Replace(file)
	return nil
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
	return s.Source().Token(ctx, id)
}

// Renew implements mail.Tokens.
func (s *Service) Renew(ctx context.Context, id entra.Identity, refused entra.Token) (entra.Token, error) {
	return s.Source().Renew(ctx, id, refused)
}

// Close ends requests for tokens, and waits for them until ctx is done.
func (s *Service) Close(ctx context.Context) error { return s.Source().Close(ctx) }
