package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"

	"github.com/tlslift/tlslift/proxy/record"
)

// A DeviceCode is what a person has to type into a browser to sign in.
type DeviceCode struct {
	URL, UserCode string
	Expires       time.Time
}

// A delegated source gets tokens for accounts that have signed in once.
type delegated struct {
	config *Config
	http   *http.Client
	store  *store
	// notStored is told of a refresh token that could not be stored. The one before
	// is good for as long.
	notStored func(error)

	mu      sync.Mutex
	clients map[string]*accountClient // by account in lower case
}

// An accountClient is the library's client for one account, and its cache. The file of the
// account is read for each request, so that tlslift login in another process takes
// effect.
type accountClient struct {
	delegated *delegated
	account   string
	client    public.Client

	mu      sync.Mutex
	content []byte // what the library keeps, without access tokens
}

// load reads the file.
func (p *accountClient) load() error {
	l, err := p.delegated.store.load(p.account)
	if err != nil {
		return err
	}
	if !strings.EqualFold(l.Application, p.delegated.config.ApplicationID) || !strings.EqualFold(l.Tenant, p.delegated.config.Tenant) {
		return record.Fail(record.ReasonDelegatedLoginMissing, fmt.Errorf(
			"the sign-in as %s was made for another application or tenant: run tlslift login again", p.account))
	}
	p.keep(l.Cache)
	return nil
}

func (p *accountClient) keep(content []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.content = withoutAccess(content)
}

// Replace gives the library what is kept.
func (p *accountClient) Replace(_ context.Context, into cache.Unmarshaler, _ cache.ReplaceHints) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return into.Unmarshal(p.content)
}

// Export stores what the library has got.
func (p *accountClient) Export(_ context.Context, from cache.Marshaler, _ cache.ExportHints) error {
	content, err := from.Marshal()
	if err == nil {
		p.keep(content)
		err = p.delegated.save(p.account, content)
	}
	if err != nil {
		p.delegated.notStored(fmt.Errorf("storing the sign-in as %s: %w", p.account, err))
	}
	return nil // the token is good all the same
}

// save stores what the library keeps of an account, less its access tokens.
func (p *delegated) save(account string, content []byte) error {
	return p.store.save(account, login{Application: p.config.ApplicationID, Tenant: p.config.Tenant, Cache: withoutAccess(content)})
}

// withoutAccess removes the access tokens from what the library keeps, in Microsoft's
// format for all its libraries. What is not in that format is left to the library.
func withoutAccess(content []byte) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(content, &all) != nil {
		return content
	}
	delete(all, "AccessToken")
	less, err := json.Marshal(all)
	if err != nil {
		return content
	}
	return less
}

// accountClient returns the one with an account.
func (p *delegated) accountClient(account string) (*accountClient, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.clients[account]; known != nil {
		return known, nil
	}
	made := &accountClient{delegated: p, account: account}
	var err error
	if made.client, err = p.newClient(made); err != nil {
		return nil, err
	}
	p.clients[account] = made
	return made, nil
}

func (p *delegated) newClient(c cache.ExportReplace) (public.Client, error) {
	made, err := public.New(p.config.ApplicationID, public.WithAuthority(p.config.authorityURL()), public.WithHTTPClient(p.http),
		public.WithInstanceDiscovery(false), public.WithCache(c))
	if err != nil {
		return made, record.Fail(record.ReasonTenantUnknown, fmt.Errorf("using the tenant and the application's id: %w", err))
	}
	return made, nil
}

// acquire gets a token for an account, in lower case, that has signed in.
func (p *delegated) acquire(ctx context.Context, account string, scopes []string) (result, error) {
	of, err := p.accountClient(account)
	if err != nil {
		return result{}, err
	}
	if err := of.load(); err != nil {
		return result{}, err
	}
	all, err := of.client.Accounts(ctx)
	if err != nil {
		return result{}, err
	}
	if len(all) == 0 {
		return result{}, record.Fail(record.ReasonDelegatedLoginMissing,
			fmt.Errorf("%s has no account in it: run tlslift login %s, which replaces it", p.store.path(account), account))
	}
	got, err := of.client.AcquireTokenSilent(ctx, scopes, public.WithSilentAccount(all[0]))
	return result{got.AccessToken, got.ExpiresOn}, err
}

// A newLogin is the cache of a sign-in that is not complete yet.
type newLogin struct{ content []byte }

func (n *newLogin) Replace(_ context.Context, into cache.Unmarshaler, _ cache.ReplaceHints) error {
	return into.Unmarshal([]byte("{}"))
}

func (n *newLogin) Export(_ context.Context, from cache.Marshaler, _ cache.ExportHints) error {
	var err error
	n.content, err = from.Marshal()
	return err
}

// signIn lets a person sign in with a device code, stores that, and returns the
// name of who has signed in.
func (p *delegated) signIn(ctx context.Context, id Identity, scopes []string, show func(DeviceCode)) (string, error) {
	made := &newLogin{}
	client, err := p.newClient(made)
	if err != nil {
		return "", err
	}
	code, err := client.AcquireTokenByDeviceCode(ctx, scopes)
	if err != nil {
		return "", err
	}
	show(DeviceCode{URL: code.Result.VerificationURL, UserCode: code.Result.UserCode, Expires: code.Result.ExpiresOn})
	got, err := awaitSignIn(ctx, code)
	if err != nil {
		return "", err
	}
	who := got.Account.PreferredUsername
	if id.User != "" && !strings.EqualFold(who, id.User) {
		return who, record.Fail(record.ReasonDelegatedLoginMissing,
			fmt.Errorf("%s has signed in, but TLSLIFT_SIGNIN_FILE names %s: nothing is stored", who, id.User))
	}
	if err := p.save(id.account(), made.content); err != nil {
		return who, record.Fail(record.ReasonDelegatedLoginMissing, fmt.Errorf("storing the sign-in: %w", err))
	}
	return who, nil
}

// awaitSignIn waits until a person has typed in the code. The library gives up when
// Entra fails for a moment; the person may not even have opened the page.
func awaitSignIn(ctx context.Context, code public.DeviceCode) (public.AuthResult, error) {
	for {
		got, err := code.AuthenticationResult(ctx)
		switch {
		case ctx.Err() != nil:
			return got, ctx.Err()
		case err == nil:
			return got, nil
		case errors.Is(err, context.DeadlineExceeded) && !isNetwork(err):
			return got, record.Fail(record.ReasonDelegatedLoginMissing, errors.New("nobody has typed in the code in time: run tlslift login again"))
		}
		f, wait := requestKind{delegated: true}.failure(err)
		if f.Reason != record.ReasonEntraUnreachable && f.Reason != record.ReasonEntraThrottled {
			return got, err
		}
		again := time.NewTimer(max(wait, firstPause))
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return got, ctx.Err()
		}
	}
}
