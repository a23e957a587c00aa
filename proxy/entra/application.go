package entra

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

const (
	// maxCredential is how large a file with a credential may be.
	maxCredential = 256 << 10
	// systemAssigned is the managed identity of the machine itself.
	systemAssigned = "system"
)

// A result is what the library got.
type result struct {
	token   string
	expires time.Time
}

// An application gets tokens for itself. It reads the file with its credential each
// time, so that a new one serves without a restart.
type application struct {
	config *Config
	http   *http.Client

	mu      sync.Mutex
	client  confidential.Client
	of      [sha256.Size]byte // what client was made of
	expires time.Time         // the certificate's
}

// emptyCache keeps the library from giving out a token that it has kept: what is
// kept is ours to decide.
type emptyCache struct{}

func (emptyCache) Replace(_ context.Context, into cache.Unmarshaler, _ cache.ReplaceHints) error {
	return into.Unmarshal([]byte("{}"))
}

func (emptyCache) Export(context.Context, cache.Marshaler, cache.ExportHints) error { return nil }

// acquire gets a token.
func (a *application) acquire(ctx context.Context, scopes []string) (result, error) {
	client, err := a.current()
	if err != nil {
		return result{}, record.Fail(record.ReasonAppCredentialRefused, err)
	}
	got, err := client.AcquireTokenByCredential(ctx, scopes)
	return result{got.AccessToken, got.ExpiresOn}, err
}

// current returns the library's client for the credential of now.
func (a *application) current() (confidential.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	credential, of, err := a.credential()
	if err != nil {
		return confidential.Client{}, err
	}
	if of == a.of {
		return a.client, nil
	}
	client, err := confidential.New(a.config.authorityURL(), a.config.ApplicationID, credential,
		confidential.WithHTTPClient(a.http), confidential.WithInstanceDiscovery(false),
		confidential.WithCache(emptyCache{}), confidential.WithAzureRegion("DisableMsalForceRegion"))
	if err != nil {
		return confidential.Client{}, fmt.Errorf("using the tenant and the application's id: %w", err)
	}
	a.client, a.of = client, of
	return client, nil
}

// credential reads the credential, and returns a sum of what it is made of.
func (a *application) credential() (confidential.Credential, [sha256.Size]byte, error) {
	var made confidential.Credential
	var content []byte
	var err error
	switch {
	case a.config.FederatedTokenFile != "":
		made = confidential.NewCredFromAssertionCallback(a.federated)
		content = []byte(a.config.FederatedTokenFile)
	case a.config.CertificateFile != "":
		if content, err = readCredential(a.config.CertificateFile); err == nil {
			made, a.expires, err = fromCertificate(content)
		}
	default:
		if content, err = readCredential(a.config.SecretFile); err == nil {
			made, err = confidential.NewCredFromSecret(strings.TrimSpace(string(content)))
		}
	}
	if err != nil {
		return made, [sha256.Size]byte{}, fmt.Errorf("reading %s: %w", a.config.credentialFile(), err)
	}
	return made, sha256.Sum256(content), nil
}

// federated reads the token of another issuer.
func (a *application) federated(context.Context, confidential.AssertionRequestOptions) (string, error) {
	content, err := readCredential(a.config.FederatedTokenFile)
	if err != nil {
		return "", record.Fail(record.ReasonAppCredentialRefused, fmt.Errorf("reading %s: %w", a.config.FederatedTokenFile, err))
	}
	return strings.TrimSpace(string(content)), nil
}

// byteOrderMark is what some editors of Windows begin a file with.
const byteOrderMark = "\ufeff"

// readCredential reads a file that must have something in it.
func readCredential(name string) ([]byte, error) {
	content, err := secretfile.Read(name, maxCredential)
	if err != nil {
		return nil, secretfile.WithoutPath(err) // the caller names it
	}
	content = bytes.TrimPrefix(content, []byte(byteOrderMark))
	switch {
	case strings.TrimSpace(string(content)) == "":
		return nil, errors.New("it is empty")
	}
	return content, nil
}

// fromCertificate returns the credential in a PEM file, and when it expires.
func fromCertificate(content []byte) (confidential.Credential, time.Time, error) {
	wrong := func(what string) (confidential.Credential, time.Time, error) {
		return confidential.Credential{}, time.Time{}, errors.New(what)
	}
	certificates, key, err := confidential.CertFromPEM(content, "")
	if err != nil {
		// The library's words could have parts of the file in them.
		return wrong("it has to hold a certificate and its RSA key without a password, both in PEM")
	}
	private, is := key.(*rsa.PrivateKey)
	if !is {
		return wrong("the key has to be an RSA key; Entra takes no other")
	}
	made, err := confidential.NewCredFromCert(certificates, key)
	if err != nil {
		return wrong("the key is not that of the certificate")
	}
	for _, c := range certificates {
		if private.PublicKey.Equal(c.PublicKey) {
			return made, c.NotAfter, nil
		}
	}
	return made, time.Time{}, nil
}

// A managedIdentity gets tokens for the managed identity of the machine that tlslift runs on.
type managedIdentity struct {
	client managedidentity.Client
}

// metadataTransport reaches the endpoint of the managed identity, which is on this
// machine or beside it, in plain HTTP: never through a proxy.
func metadataTransport() http.RoundTripper {
	const wait = 5 * time.Second
	return &http.Transport{
		DialContext: (&net.Dialer{Timeout: wait}).DialContext, ResponseHeaderTimeout: answerTimeout, IdleConnTimeout: time.Minute,
	}
}

func newManagedIdentity(c *Config, client *http.Client) (*managedIdentity, error) {
	id := managedidentity.SystemAssigned()
	if c.ManagedIdentity != systemAssigned {
		id = managedidentity.UserAssignedClientID(c.ManagedIdentity)
	}
	made, err := managedidentity.New(id, managedidentity.WithHTTPClient(client), managedidentity.WithRetryPolicyDisabled())
	if err != nil {
		return nil, fmt.Errorf("using the managed identity: %w", err)
	}
	return &managedIdentity{made}, nil
}

// acquire gets a token. Claims keep the library from giving out one that it has
// kept; it sends them to nobody.
func (m *managedIdentity) acquire(ctx context.Context, scopes []string) (result, error) {
	got, err := m.client.AcquireToken(ctx, scopes[0], managedidentity.WithClaims("{}"))
	return result{got.AccessToken, got.ExpiresOn}, err
}
