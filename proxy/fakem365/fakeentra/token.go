package fakeentra

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

const (
	maxForm    = 64 << 10
	jwtBearer  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" //nolint:gosec // G101: a name, no credential
	deviceType = "urn:ietf:params:oauth:grant-type:device_code"
	// exchange is the audience of federated tokens.
	exchange = "api://AzureADTokenExchange"
	// inactive is how long a refresh token lasts that is not used.
	inactive = 90 * 24 * time.Hour
)

// resources are those that tokens are given for.
var resources = []string{"https://outlook.office365.com", "https://outlook.office.com"}

// openID are the scopes that every library adds.
var openID = []string{"openid", "profile", "offline_access"}

// A grant is what a refresh token stands for.
type grant struct {
	application, user string
	used              time.Time
}

// token answers a request for a token.
func (s web) token(w http.ResponseWriter, r *http.Request) {
	if !s.knows(w, r) {
		return
	}
	// The whole request comes first: net/http sees only after it that a connection ends.
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	malformed := r.ParseForm() != nil
	trouble := s.Trouble()
	if trouble.Hold != nil {
		select {
		case <-trouble.Hold:
		case <-r.Context().Done():
			return
		}
	}
	if trouble.Code != 0 || malformed {
		s.refuse(w, trouble.Code)
		return
	}
	application, known := s.application(r.PostForm.Get("client_id"))
	if !known {
		s.refuse(w, codeApplicationUnknown)
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		s.byCredential(w, r, application)
	case "refresh_token":
		s.byRefreshToken(w, r, application)
	case deviceType, "device_code": // Microsoft's library says it in short
		s.byDeviceCode(w, r, application)
	default:
		s.refuse(w, codeGrantUnknown)
	}
}

// byCredential gives an application a token of its own.
func (s web) byCredential(w http.ResponseWriter, r *http.Request, a Application) {
	if code := s.checkCredential(r, a); code != 0 {
		s.refuse(w, code)
		return
	}
	resource, scopes, ok := requested(r.PostForm.Get("scope"))
	switch {
	case !ok:
		s.refuse(w, codeScopeInvalid)
		return
	case !slices.Contains(resources, resource):
		s.refuse(w, codeResourceUnknown)
		return
	case !slices.Equal(scopes, []string{".default"}):
		s.refuse(w, codeScopeInvalid)
		return
	}
	s.issue(w, payload{Audience: resource, Application: a.ID, Roles: a.Roles, Subject: a.ID}, nil)
}

// checkCredential returns the code that a credential is refused with, or zero.
func (s web) checkCredential(r *http.Request, a Application) int {
	secret, assertion := r.PostForm.Get("client_secret"), r.PostForm.Get("client_assertion")
	switch {
	case secret != "" && (a.Secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(a.Secret)) == 0):
		return codeSecretWrong
	case secret != "" && a.SecretExpired:
		return codeSecretExpired
	case secret != "":
		return 0
	case assertion != "" && r.PostForm.Get("client_assertion_type") == jwtBearer:
		return s.checkAssertion(assertion, a)
	}
	return codeCredentialMissing
}

// checkAssertion is checkCredential for a client assertion (RFC 7523), by the
// application's certificate or by a federated issuer.
func (s web) checkAssertion(assertion string, a Application) int {
	t, err := read(assertion)
	if err != nil {
		return codeCertificateUnknown
	}
	if now := s.now().Unix(); t.Expires <= now || t.NotBefore > now+int64((5*time.Minute).Seconds()) {
		return codeAssertionTime
	}
	if t.Audience == exchange {
		if a.Federated == nil || t.Subject != a.FederatedSubject || !t.isSignedBy(a.Federated) {
			return codeFederatedUnknown
		}
		return 0
	}
	if a.Certificate == nil || t.Audience != s.endpoint() || t.Issuer != a.ID || t.Subject != a.ID {
		return codeCertificateUnknown
	}
	sum := sha256.Sum256(a.Certificate.Raw)
	key, is := a.Certificate.PublicKey.(*rsa.PublicKey)
	if !is || t.Thumbprint != base64.StdEncoding.EncodeToString(sum[:]) || !t.isSignedBy(key) {
		return codeCertificateUnknown
	}
	return 0
}

// byRefreshToken gives a user that has signed in before another token.
func (s web) byRefreshToken(w http.ResponseWriter, r *http.Request, a Application) {
	token := r.PostForm.Get("refresh_token")
	now := s.now()
	s.mu.Lock()
	of, revoked := s.refresh[token], s.revoked[token]
	isExpired := of != nil && now.Sub(of.used) > inactive
	if of != nil {
		of.used = now
	}
	s.mu.Unlock()
	switch {
	case of == nil || of.application != a.ID || isExpired:
		s.refuse(w, codeRefreshExpired)
	case revoked:
		s.refuse(w, codeRefreshRevoked)
	default:
		s.issueUser(w, r, a, of.user)
	}
}

// issueUser gives a user a token, and a refresh token.
func (s web) issueUser(w http.ResponseWriter, r *http.Request, a Application, user string) {
	resource, scopes, ok := requested(r.PostForm.Get("scope"))
	if !ok || !slices.Contains(resources, resource) {
		s.refuse(w, codeScopeInvalid)
		return
	}
	granted := scopes
	if slices.Equal(scopes, []string{".default"}) {
		granted = a.Scopes
	}
	for _, scope := range granted {
		if !slices.Contains(a.Scopes, scope) {
			s.refuse(w, codeConsentMissing)
			return
		}
	}
	if len(granted) == 0 {
		s.refuse(w, codeConsentMissing)
		return
	}
	s.issue(w, payload{
		Audience: resource, Application: a.ID, Scope: strings.Join(granted, " "),
		User: user, Preferred: user, Subject: "subject of " + user, Object: objectOf(user),
	}, scopes)
}

// objectOf returns an object id that is the same for a user each time.
func objectOf(user string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(user)))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// issue answers with a token; scopes are those of a user's request.
func (s web) issue(w http.ResponseWriter, p payload, scopes []string) {
	now := s.now()
	s.mu.Lock()
	s.issued++
	key := s.keys[len(s.keys)-1]
	p.ID = fmt.Sprintf("%d.%s", s.issued, random())
	s.mu.Unlock()
	p.Issuer, p.Tenant, p.Version = s.base()+s.options.TenantID+"/v2.0", s.options.TenantID, "1.0"
	p.IssuedAt, p.NotBefore, p.Expires = now.Unix(), now.Unix(), now.Add(s.options.Lifetime).Unix()
	token, err := Sign(key, p)
	if err != nil {
		http.Error(w, "signing a token", http.StatusInternalServerError)
		return
	}
	content := map[string]any{
		"token_type": "Bearer", "expires_in": int(s.options.Lifetime.Seconds()), "access_token": token,
		"ext_expires_in": int(s.options.Lifetime.Seconds()),
	}
	if p.User != "" {
		if err := s.addUser(content, p, scopes, key); err != nil {
			http.Error(w, "signing a token", http.StatusInternalServerError)
			return
		}
	}
	answer(w, http.StatusOK, content)
}

// addUser adds what only the answer to a user has.
func (s web) addUser(content map[string]any, p payload, scopes []string, key *rsa.PrivateKey) error {
	granted := make([]string, 0, len(scopes)+1)
	for _, scope := range append(strings.Fields(p.Scope), scopes...) {
		if full := p.Audience + "/" + scope; !slices.Contains(granted, full) {
			granted = append(granted, full)
		}
	}
	identity := p
	identity.Audience, identity.Scope = p.Application, ""
	token, err := Sign(key, identity)
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]string{"uid": p.Object, "utid": p.Tenant})
	if err != nil {
		return err
	}
	refresh := "0." + random()
	s.mu.Lock()
	s.refresh[refresh] = &grant{application: p.Application, user: p.User, used: s.options.Now().Add(s.trouble.Skew)}
	s.mu.Unlock()
	content["scope"], content["refresh_token"], content["id_token"] = strings.Join(granted, " "), refresh, token
	content["client_info"] = base64.RawURLEncoding.EncodeToString(info)
	return nil
}

// requested returns the resource of scopes and their names in it.
func requested(scope string) (resource string, names []string, ok bool) {
	for _, full := range strings.Fields(scope) {
		if slices.Contains(openID, full) {
			continue
		}
		i := strings.LastIndexByte(full, '/')
		if i < 0 || resource != "" && resource != full[:i] {
			return "", nil, false
		}
		resource, names = full[:i], append(names, full[i+1:])
	}
	return resource, names, resource != ""
}

// Verify reads a token that was issued here, as Exchange does.
func (s *Server) Verify(token string) (fakem365.Claims, error) {
	t, err := read(token)
	if err != nil {
		return fakem365.Claims{}, fmt.Errorf("reading a token: %w", err)
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	isKey := func(key *rsa.PrivateKey) bool { return keyID(&key.PublicKey) == t.Key }
	i := slices.IndexFunc(s.keys, isKey)
	switch {
	case i < 0 || t.Algorithm != "RS256" || !t.isSignedBy(&s.keys[i].PublicKey):
		return fakem365.Claims{}, errors.New("the token has no signature of this tenant")
	case s.revoked[token]:
		return fakem365.Claims{}, errors.New("the token is revoked")
	case t.Expires <= now.Unix():
		return fakem365.Claims{}, errors.New("the token has expired")
	case t.Tenant != s.options.TenantID:
		return fakem365.Claims{}, errors.New("the token is for another tenant")
	}
	return fakem365.Claims{
		Audience: t.Audience, Application: t.Application, User: t.User,
		Permissions: append(slices.Clone(t.Roles), strings.Fields(t.Scope)...), Expires: time.Unix(t.Expires, 0),
	}, nil
}
