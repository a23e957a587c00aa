package entra_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const subject = "system:serviceaccount:mail:tlslift"

// federated makes a token of another issuer.
func federated(t *testing.T, expires time.Time) string {
	t.Helper()
	made, err := fakeentra.Sign(testenv.RSAKey(t, 1), map[string]any{
		"iss": "https://cluster.example", "sub": subject, "aud": "api://AzureADTokenExchange", "exp": expires.Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestEachCredential(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*testing.T, *world, *entra.Config){
		"secret": func(*testing.T, *world, *entra.Config) {},
		"secret of Notepad": func(t *testing.T, _ *world, c *entra.Config) {
			write(t, c.SecretFile, "\ufeff"+secret+"\r\n")
		},
		"certificate": func(t *testing.T, w *world, c *entra.Config) {
			leaf, file := certificate(t, w)
			w.Change(application, func(a *fakeentra.Application) { a.Certificate = leaf })
			c.SecretFile, c.CertificateFile = "", file
		},
		"federated token": func(t *testing.T, w *world, c *entra.Config) {
			key := testenv.RSAKey(t, 1)
			w.Change(application, func(a *fakeentra.Application) { a.Federated, a.FederatedSubject = &key.PublicKey, subject })
			c.SecretFile, c.FederatedTokenFile = "", filepath.Join(w.dir, "token")
			write(t, c.FederatedTokenFile, federated(t, time.Now().Add(time.Hour))+"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := w.config(t)
			configure(t, w, &c)
			s := w.source(t, c)
			got := token(t, s, smtp)
			claims, err := w.Verify(got.Value)
			if err != nil || claims.Audience != "https://outlook.office365.com" || claims.User != "" ||
				!slices.Contains(claims.Permissions, "SMTP.SendAsApp") || !slices.Equal(got.Roles, claims.Permissions) {
				t.Errorf("claims %+v, roles %v, error %v", claims, got.Roles, err)
			}
			if left := time.Until(got.Expires); left < 59*time.Minute || left > time.Hour {
				t.Errorf("it expires in %s", left)
			}
			if err := w.Rotate(testenv.RSAKey(t, 2)); err != nil {
				t.Fatal(err)
			}
			again, err := s.Renew(t.Context(), smtp, got)
			if err != nil {
				t.Fatal(err)
			}
			for _, value := range []string{got.Value, again.Value} { // of both keys
				if _, err := w.Verify(value); err != nil {
					t.Error(err)
				}
			}
			if expires, known := s.Credential(); known != (name == "certificate") || known && time.Until(expires) > time.Hour {
				t.Errorf("the credential expires %s, %t", expires, known)
			}
		})
	}
}

// A new secret, certificate or federated token serves without a restart.
func TestCredentialIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.config(t)
		s := w.source(t, c)
		first := token(t, s, smtp)
		w.Change(application, func(a *fakeentra.Application) { a.Secret = "another~Secret.of_it" })
		_, err := s.Renew(t.Context(), smtp, first)
		wantReason(t, err, record.ReasonAppCredentialRefused)
		write(t, c.SecretFile, "another~Secret.of_it")
		time.Sleep(time.Minute)
		second, err := s.Renew(t.Context(), smtp, first)
		if err != nil || second.Value == first.Value {
			t.Error(err)
		}

		// Without a file the token serves on, and the error names the file.
		if err := os.Remove(c.SecretFile); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		token(t, s, smtp)
		_, err = s.Renew(t.Context(), smtp, second)
		wantReason(t, err, record.ReasonAppCredentialRefused)
		if err == nil || !strings.Contains(err.Error(), c.SecretFile) {
			t.Errorf("%v does not name the file", err)
		}
	})
}

func TestFederatedTokenIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		key := testenv.RSAKey(t, 1)
		w.Change(application, func(a *fakeentra.Application) { a.Federated, a.FederatedSubject = &key.PublicKey, subject })
		c := w.config(t)
		c.SecretFile, c.FederatedTokenFile = "", filepath.Join(w.dir, "token")
		s := w.source(t, c) // before there is a file
		_, err := s.Token(t.Context(), smtp)
		wantReason(t, err, record.ReasonAppCredentialRefused)
		write(t, c.FederatedTokenFile, federated(t, time.Now().Add(-time.Hour)))
		time.Sleep(time.Minute)
		_, err = s.Token(t.Context(), smtp) // it is old, and the clock is right
		wantReason(t, err, record.ReasonAppCredentialRefused)
		write(t, c.FederatedTokenFile, federated(t, time.Now().Add(time.Hour)))
		time.Sleep(time.Minute)
		token(t, s, smtp)
	})
}

// metadata is the endpoint of a managed identity.
type metadata struct {
	answer string
	status int
	asked  []string
}

func (m *metadata) RoundTrip(r *http.Request) (*http.Response, error) {
	m.asked = append(m.asked, r.URL.String()+" "+r.Header.Get("Metadata"))
	answer := httptest.NewRecorder()
	answer.WriteHeader(m.status)
	_, _ = answer.WriteString(m.answer)
	return answer.Result(), nil
}

func TestManagedIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	value, err := fakeentra.Sign(testenv.RSAKey(t, 0), map[string]any{"roles": []string{"SMTP.SendAsApp"}})
	if err != nil {
		t.Fatal(err)
	}
	m := &metadata{status: http.StatusOK, answer: fmt.Sprintf(`{"access_token":%q,"expires_in":"86400","token_type":"Bearer"}`, value)}
	s := w.source(t, entra.Config{ManagedIdentity: "system", HTTP: &http.Client{Transport: w}, Metadata: &http.Client{Transport: m}})
	if got := token(t, s, smtp); got.Value != value || time.Until(got.Expires) < 23*time.Hour {
		t.Errorf("a token until %s", got.Expires)
	}
	if _, err := s.Renew(t.Context(), smtp, token(t, s, smtp)); err != nil {
		t.Error(err)
	}
	const url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01" +
		"&resource=https%3A%2F%2Foutlook.office365.com true"
	if len(m.asked) != 2 || m.asked[0] != url || m.asked[1] != url {
		t.Errorf("asked was %q", m.asked)
	}
	if len(w.bodies) != 0 {
		t.Error("the egress was asked for a managed identity")
	}

	none := &metadata{status: http.StatusBadRequest, answer: `{"error":"invalid_request","error_description":"Identity not found"}`}
	id := "99999999-2222-3333-4444-555555555555"
	s = w.source(t, entra.Config{ManagedIdentity: id, Metadata: &http.Client{Transport: none}})
	_, err = s.Token(t.Context(), smtp)
	wantReason(t, err, record.ReasonAppCredentialRefused)
	if !strings.Contains(none.asked[0], "client_id="+id) {
		t.Errorf("asked was %q", none.asked)
	}
	busy := &metadata{status: http.StatusTooManyRequests}
	_, err = w.source(t, entra.Config{ManagedIdentity: "system", Metadata: &http.Client{Transport: busy}}).Token(t.Context(), smtp)
	wantReason(t, err, record.ReasonEntraThrottled)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	elliptic := filepath.Join(w.dir, "ec.pem")
	key := testenv.ECDSAKey(t)
	write(t, elliptic, string(testenv.CertificatePEM(testenv.SelfSigned(t, testenv.Template("x"), key).Leaf))+string(testenv.KeyPEM(t, key)))
	_, right := certificate(t, w)
	other := filepath.Join(w.dir, "other.pem")
	stranger := testenv.SelfSigned(t, testenv.Template("x"), testenv.RSAKey(t, 2)).Leaf
	write(t, other, string(testenv.CertificatePEM(stranger))+string(testenv.KeyPEM(t, testenv.RSAKey(t, 1))))
	empty := filepath.Join(w.dir, "empty")
	write(t, empty, " \n")
	for want, change := range map[string]func(*entra.Config){
		"the cloud":            func(c *entra.Config) { c.Cloud = "mars" },
		"the tenant":           func(c *entra.Config) { c.Tenant = "" },
		"no tenant of its own": func(c *entra.Config) { c.Tenant = "Common" },
		"a domain or a GUID":   func(c *entra.Config) { c.Tenant = "contoso/../x" },
		"the application's id": func(c *entra.Config) { c.ApplicationID = "" },
		"HTTP client":          func(c *entra.Config) { c.HTTP = nil },
		"one of a secret":      func(c *entra.Config) { c.CertificateFile = right },
		"it is empty":          func(c *entra.Config) { c.SecretFile = empty },
		"no such file":         func(c *entra.Config) { c.SecretFile = empty + "x" },
		"RSA key; Entra":       func(c *entra.Config) { c.SecretFile, c.CertificateFile = "", elliptic },
		"not that of":          func(c *entra.Config) { c.SecretFile, c.CertificateFile = "", other },
		"both in PEM":          func(c *entra.Config) { c.CertificateFile, c.SecretFile = c.SecretFile, "" },
	} {
		c := w.config(t)
		change(&c)
		if _, err := entra.New(c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error %v", want, err)
		}
	}
	for cloud, want := range map[string]string{
		"": "login.microsoftonline.com", "global": "login.microsoftonline.com", "usgov": "login.microsoftonline.us",
		"china": "login.partner.microsoftonline.cn", "mars": "",
	} {
		if got := entra.Authority(cloud); got != want {
			t.Errorf("%s: %s, want %s", cloud, got, want)
		}
	}
}

// In another cloud, both the host that is asked and the resource are others.
func TestNationalCloud(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config(t)
	c.Cloud = "usgov"
	_, err := w.source(t, c).Token(t.Context(), smtp)
	wantReason(t, err, record.ReasonConsentMissing) // the fake tenant has no such resource
	if body := w.bodies[len(w.bodies)-1]; !strings.Contains(body, "scope=https%3A%2F%2Foutlook.office365.us%2F.default") {
		t.Error("the scope is another")
	}
}
