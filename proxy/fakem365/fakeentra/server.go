// Package fakeentra is a small fake Microsoft Entra ID for the demo and the tests:
// it answers what an application asks to get tokens for Exchange Online, signs the
// tokens with a key of its own, and can have every trouble that the real one has.
//
// It knows the applications and accounts that it is given, and nobody else. It does
// not check what a person types into a browser: a test approves a device code by
// its user code.
package fakeentra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// Host is the name that the public cloud has.
const Host = "login.microsoftonline.com"

// Options says what a fake Entra is like.
type Options struct {
	// Tenant and TenantID are the two names of the one tenant; empty ones mean
	// contoso.onmicrosoft.com and a GUID.
	Tenant, TenantID string
	// Host is the host name in its answers; empty means Host.
	Host string
	// Applications are registered in the tenant; none means that every request
	// is refused.
	Applications []Application
	// Key signs tokens until Rotate; nil means a new one.
	Key *rsa.PrivateKey
	// Lifetime is that of tokens; zero means an hour.
	Lifetime time.Duration
	// Interval is how many seconds a device waits before it asks again whether its code
	// was approved; zero means 5.
	Interval int
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// An Application is one that is registered in the tenant. It may have several
// kinds of credential.
type Application struct {
	ID string
	// Secret is its client secret; empty means that it has none.
	Secret string
	// SecretExpired makes Secret one that was right once.
	SecretExpired bool
	// Certificate is the one that client assertions are checked with; nil means
	// that it has none.
	Certificate *x509.Certificate
	// Federated is the key of the issuer whose tokens stand for the application,
	// with FederatedSubject as their subject; nil means that there is none.
	Federated        *rsa.PublicKey
	FederatedSubject string
	// Public allows device codes; false means that a credential is demanded.
	Public bool
	// Roles are the application permissions that the administrator consented to,
	// for example SMTP.SendAsApp; none means that tokens have no roles.
	Roles []string
	// Scopes are the delegated permissions that have consent, for example SMTP.Send;
	// none means that every request of a user is refused.
	Scopes []string
}

// A Trouble is what is wrong with the fake Entra. The zero value is nothing.
type Trouble struct {
	// Code is the AADSTS code that every request for a token is refused with;
	// zero means none.
	Code int
	// Status is the HTTP status of every answer, with Body as its content; zero
	// means that requests are answered.
	Status int
	Body   string
	// RetryAfter is the header of that name, with Code or Status; empty means none.
	RetryAfter string
	// Reset breaks connections off in place of an answer.
	Reset bool
	// Hold keeps requests for a token waiting until it is closed; nil means that
	// none waits.
	Hold <-chan struct{}
	// Skew is how far its clock is ahead.
	Skew time.Duration
}

// Counts are the requests so far.
type Counts struct {
	Discovery, Token, DeviceCode int
}

// A Server is one fake Entra with one tenant. It is safe for concurrent use.
type Server struct {
	options Options

	mu      sync.Mutex
	trouble Trouble
	counts  Counts
	keys    []*rsa.PrivateKey // the newest last
	revoked map[string]bool   // tokens, and refresh tokens
	codes   map[string]*deviceCode
	refresh map[string]*grant // by refresh token
	issued  int
}

// New returns a fake Entra.
func New(o Options) (*Server, error) {
	if o.Tenant == "" {
		o.Tenant = "contoso.onmicrosoft.com"
	}
	if o.TenantID == "" {
		o.TenantID = "72f98800-0000-4000-8000-00000000feed"
	}
	if o.Host == "" {
		o.Host = Host
	}
	if o.Lifetime == 0 {
		o.Lifetime = time.Hour
	}
	if o.Interval == 0 {
		o.Interval = 5
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{options: o, revoked: map[string]bool{}, codes: map[string]*deviceCode{}, refresh: map[string]*grant{}}
	if o.Key != nil {
		s.keys = append(s.keys, o.Key)
		return s, nil
	}
	return s, s.Rotate(nil)
}

// Serve starts the fake Entra as a server of a fake Microsoft 365.
func (s *Server) Serve(fake *fakem365.Service, o fakem365.TLSOptions) (*fakem365.Server, error) {
	return fake.ServeHandler(o, s.Handler())
}

// Handler returns what answers requests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	pages := web{s}
	mux.HandleFunc("GET /common/discovery/instance", pages.instance)
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", pages.configuration)
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", pages.publicKeys)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", pages.token)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/devicecode", pages.deviceCode)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trouble := s.Trouble()
		w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
		if trouble.RetryAfter != "" && (trouble.Status != 0 || trouble.Code != 0) {
			w.Header().Set("Retry-After", trouble.RetryAfter)
		}
		s.count(r)
		switch {
		case trouble.Reset:
			reset(w)
		case trouble.Status != 0:
			w.WriteHeader(trouble.Status)
			_, _ = w.Write([]byte(trouble.Body)) // a client that went away needs no answer
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// count counts a request, with those that trouble keeps from an answer.
func (s *Server) count(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case strings.HasSuffix(r.URL.Path, "/token"):
		s.counts.Token++
	case strings.HasSuffix(r.URL.Path, "/devicecode"):
		s.counts.DeviceCode++
	default:
		s.counts.Discovery++
	}
}

// reset breaks the connection of an answer off.
func reset(w http.ResponseWriter) {
	if h, is := w.(http.Hijacker); is {
		if conn, _, err := h.Hijack(); err == nil {
			if secure, is := conn.(*tls.Conn); is {
				conn = secure.NetConn()
			}
			if tcp, is := conn.(interface{ SetLinger(int) error }); is {
				_ = tcp.SetLinger(0) // else it ends without a reset, which is as bad
			}
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// Trouble returns what is wrong now.
func (s *Server) Trouble() Trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// SetTrouble makes something wrong, or all right.
func (s *Server) SetTrouble(t Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = t
}

// Counts returns the counts of requests so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Change changes an application.
func (s *Server) Change(id string, change func(*Application)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.options.Applications {
		if s.options.Applications[i].ID == id {
			change(&s.options.Applications[i])
		}
	}
}

// Rotate signs with another key from now on; nil means a new one. Tokens of the
// keys before stay good.
func (s *Server) Rotate(key *rsa.PrivateKey) error {
	if key == nil {
		made, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return fmt.Errorf("making a key of the fake Entra: %w", err)
		}
		key = made
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, key)
	return nil
}

// Revoke makes a token or a refresh token one that is refused from now on.
func (s *Server) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked[token] = true
}

// RevokeLogins revokes all refresh tokens of a user, as an administrator does.
func (s *Server) RevokeLogins(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, of := range s.refresh {
		if strings.EqualFold(of.user, user) {
			s.revoked[token] = true
		}
	}
}

// now returns the time of its own clock.
func (s *Server) now() time.Time { return s.options.Now().Add(s.Trouble().Skew) }

// application returns an application by its id.
func (s *Server) application(id string) (Application, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.options.Applications {
		if strings.EqualFold(a.ID, id) {
			return a, true
		}
	}
	return Application{}, false
}

// random returns text that nobody guesses.
func random() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}
