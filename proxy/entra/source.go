package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// Config says for which application tokens are wanted, and how Entra is reached.
type Config struct {
	// Tenant is the tenant's domain or GUID.
	Tenant string
	// Cloud is global, usgov or china; empty means global.
	Cloud string
	// ApplicationID is the Application (client) ID. A managed identity needs none.
	ApplicationID string
	// One of these is the application's credential; none means that only people
	// sign in. The files are read again for every request.
	SecretFile         string
	CertificateFile    string // certificate and RSA key, PEM
	FederatedTokenFile string
	ManagedIdentity    string // system, or the client id of a user-assigned one
	// HTTP reaches Entra, through the egress; of it the Transport is used.
	HTTP *http.Client
	// Metadata reaches the endpoint of the managed identity, which is plain HTTP on
	// this machine; nil means directly, never through a proxy.
	Metadata *http.Client
	// StateDir is where sign-ins of people are stored; empty means that nobody can
	// sign in.
	StateDir string
	// KeyFile has the key that they are encrypted with, and is made with mode 0600
	// when it is missing; empty means signin.key in StateDir.
	KeyFile string
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Observer is told what happened; nil means nobody.
	Observer Observer
}

// An Observer is told what happened. It must not wait for anything.
type Observer interface {
	// TokenRequested is called after each request for a token; reason is empty when
	// there was one.
	TokenRequested(reason record.Reason, took time.Duration)
	// LoginNotStored is called when a renewed sign-in could not be stored. The one
	// before serves on, for as long as Entra takes it.
	LoginNotStored(err error)
}

func (c *Config) authorityURL() string { return "https://" + Authority(c.Cloud) + "/" + c.Tenant }

// credentialFile returns the file that has the credential; empty if none has.
func (c *Config) credentialFile() string {
	for _, name := range []string{c.SecretFile, c.CertificateFile, c.FederatedTokenFile} {
		if name != "" {
			return name
		}
	}
	return ""
}

// check returns what is wrong.
func (c *Config) check() error {
	credentials := 0
	for _, of := range []string{c.SecretFile, c.CertificateFile, c.FederatedTokenFile, c.ManagedIdentity} {
		if of != "" {
			credentials++
		}
	}
	switch {
	case Authority(c.Cloud) == "":
		return fmt.Errorf("the cloud %q is none of global, usgov and china", c.Cloud)
	case credentials > 1:
		return errors.New("an application has one of a secret, a certificate, a federated token and a managed identity")
	case c.ManagedIdentity != "":
	case c.Tenant == "" || strings.ContainsAny(c.Tenant, "/?#%\\ "):
		return errors.New("the tenant has to be a domain or a GUID")
	case slices.Contains([]string{"common", "organizations", "consumers"}, strings.ToLower(c.Tenant)):
		return fmt.Errorf("%s is no tenant of its own: write its domain or GUID", c.Tenant)
	case c.ApplicationID == "":
		return errors.New("the application's id is missing")
	case c.HTTP == nil:
		return errors.New("there is no HTTP client")
	}
	return nil
}

// A Source gets tokens and keeps them. It is safe for concurrent use.
type Source struct {
	config    Config
	entra     *transport
	metadata  *transport
	acquirers acquirers
	cancel    context.CancelFunc
	ctx       context.Context // of all requests; ended by Close
	requests  sync.WaitGroup

	mu        sync.Mutex
	entries   map[key]*entry
	throttled time.Time // until then Entra is not asked, because it said so
	closed    bool
}

// acquirers ask for tokens. Those that are not configured are nil.
type acquirers struct {
	application *application
	managed     *managedIdentity
	delegated   *delegated
}

// New returns a Source. It reads the file with the secret or the certificate, but
// asks nobody.
func New(c Config) (*Source, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Source{config: c, ctx: ctx, cancel: cancel, entries: map[key]*entry{}}
	s.entra = &transport{next: transportOf(c.HTTP, http.DefaultTransport), now: c.Now, hosts: hosts}
	s.metadata = &transport{next: transportOf(c.Metadata, nil), now: c.Now}
	if s.metadata.next == nil {
		s.metadata.next = metadataTransport()
	}
	if err := s.configure(); err != nil {
		cancel()
		return nil, err
	}
	return s, nil
}

// transportOf returns what a client sends with.
func transportOf(c *http.Client, otherwise http.RoundTripper) http.RoundTripper {
	if c == nil || c.Transport == nil {
		return otherwise
	}
	return c.Transport
}

// configure makes the acquirers.
func (s *Source) configure() error {
	c := &s.config
	var err error
	switch {
	case c.ManagedIdentity != "":
		s.acquirers.managed, err = newManagedIdentity(c, s.metadata.client())
	case c.credentialFile() != "":
		s.acquirers.application = &application{config: c, http: s.entra.client()}
		if c.FederatedTokenFile == "" { // the other one may come later
			_, err = s.acquirers.application.current()
		}
	}
	if err != nil {
		return err
	}
	if c.StateDir != "" && c.HTTP != nil && c.Tenant != "" && c.ApplicationID != "" {
		if c.KeyFile == "" {
			c.KeyFile = filepath.Join(c.StateDir, "signin.key")
		}
		s.acquirers.delegated = &delegated{
			config: c, http: s.entra.client(), store: &store{dir: c.StateDir, keyFile: c.KeyFile}, notStored: s.notStored,
			clients: map[string]*accountClient{},
		}
	}
	return nil
}

func (s *Source) notStored(err error) {
	if s.config.Observer != nil {
		s.config.Observer.LoginNotStored(err)
	}
}

// Credential returns when the application's certificate expires; false when that is
// not known, as of a secret.
func (s *Source) Credential() (expires time.Time, known bool) {
	a := s.acquirers.application
	if a == nil {
		return time.Time{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.expires, !a.expires.IsZero()
}

// Skew returns how far this machine's clock was behind that of Entra at its last
// answer; zero before the first.
func (s *Source) Skew() time.Duration { return time.Duration(s.entra.skew.Load()) }

// Freeze lets a source store no sign-ins of people any more that are renewed: another
// process does.
func Freeze(s *Source) {
	if s.acquirers.delegated != nil {
		s.acquirers.delegated.store.freeze()
	}
}

// Close ends requests and waits for them until ctx is done. Nobody gets a token
// after that.
func (s *Source) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	done := make(chan struct{})
	go func() {
		s.requests.Wait()
		close(done)
	}()
	defer s.entra.CloseIdleConnections()
	defer s.metadata.CloseIdleConnections()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Login lets a person sign in for an identity with a device code, which show is
// given, and stores the refresh token. It returns the name of who has signed in,
// which may not be who should have. Without a protocol it asks for the permissions
// of all three.
func (s *Source) Login(ctx context.Context, id Identity, show func(DeviceCode)) (string, error) {
	if s.acquirers.delegated == nil {
		return "", noDelegated()
	}
	id.Delegated = true
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	who, err := s.acquirers.delegated.signIn(ctx, id, id.scopes(clouds[orGlobal(s.config.Cloud)]), show)
	if err != nil && ctx.Err() != nil {
		return who, ctx.Err()
	}
	if err != nil {
		f, _ := kindOf(s, true, false).failure(err)
		return who, f
	}
	s.forget(id.account())
	return who, nil
}

func noDelegated() error {
	return record.Fail(record.ReasonDelegatedLoginMissing,
		errors.New("nobody can sign in without a tenant, an application and a state directory"))
}

// forget drops what is kept of an account.
func (s *Source) forget(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.entries {
		if strings.EqualFold(k.account, account) && e.flight == nil {
			delete(s.entries, k)
		}
	}
}
