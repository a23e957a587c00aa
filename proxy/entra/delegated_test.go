package entra_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
)

var (
	shared = entra.Identity{Mailbox: mailbox, User: person, Delegated: true, Protocol: record.ProtocolSMTP}
	login  = entra.Identity{Mailbox: mailbox, User: person, Delegated: true}
)

// signIn signs somebody in for id.
func signIn(t *testing.T, w *world, s *entra.Source, id entra.Identity, who string) (string, error) {
	t.Helper()
	return s.Login(t.Context(), id, func(code entra.DeviceCode) {
		if code.URL != "https://microsoft.com/devicelogin" || time.Until(code.Expires) < 14*time.Minute {
			t.Errorf("the code is %+v", code)
		}
		for _, step := range []error{w.SlowDown(code.UserCode), w.Approve(code.UserCode, who)} {
			if step != nil {
				t.Error(step)
			}
		}
	})
}

func signedIn(t *testing.T, w *world, s *entra.Source) {
	t.Helper()
	if who, err := signIn(t, w, s, login, person); err != nil || who != person {
		t.Fatalf("%q has signed in, error %v", who, err)
	}
}

// files returns what is in the state directory.
func files(t *testing.T, w *world) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(filepath.Join(w.dir, "state"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Join(w.dir, "state", e.Name())
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		all[e.Name()] = string(content)
	}
	return all
}

func TestDelegatedSignInSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.config(t)
		c.SecretFile = "" // no application secret at all
		s := w.source(t, c)
		_, err := s.Token(t.Context(), shared)
		wantReason(t, err, record.ReasonDelegatedLoginMissing)
		if err == nil || !strings.Contains(err.Error(), "tlslift login") || !strings.Contains(err.Error(), person) {
			t.Errorf("the error is %v", err)
		}
		signedIn(t, w, s)
		first := token(t, s, shared) // the failure of before is forgotten
		claims, err := w.Verify(first.Value)
		if err != nil || claims.User != person || !slices.Equal(claims.Permissions, []string{"SMTP.Send"}) {
			t.Errorf("claims %+v, error %v", claims, err)
		}
		imap := shared
		imap.Protocol = record.ProtocolIMAP
		if got := token(t, s, imap); !slices.Equal(got.Roles, []string{"IMAP.AccessAsUser.All"}) {
			t.Errorf("roles %v", got.Roles)
		}
		_, err = s.Token(t.Context(), smtp) // of the application
		wantReason(t, err, record.ReasonAppCredentialRefused)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}

		for range 3 { // each start renews the sign-in
			time.Sleep(80 * 24 * time.Hour)
			s = w.source(t, c)
			if got := token(t, s, shared); got.Value == first.Value {
				t.Error("an old token")
			}
		}
		for name, content := range files(t, w) {
			for _, needle := range []string{"secret", "RefreshToken", "eyJ", first.Value, person} {
				if strings.Contains(content, needle) {
					t.Errorf("%s shows %q", name, needle)
				}
			}
		}
		if len(files(t, w)) != 2 {
			t.Errorf("the files are %v", files(t, w))
		}
	})
}

func TestDelegatedSignInEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.source(t, w.config(t))
		signedIn(t, w, s)
		first := token(t, s, shared)
		w.RevokeLogins(person)
		token(t, s, shared) // it serves until it is refused
		_, err := s.Renew(t.Context(), shared, first)
		wantReason(t, err, record.ReasonDelegatedLoginMissing)

		// Another process signs in again.
		signedIn(t, w, w.source(t, w.config(t)))
		time.Sleep(time.Minute)
		if got, err := s.Renew(t.Context(), shared, first); err != nil || got.Value == first.Value {
			t.Error(err)
		}

		time.Sleep(91 * 24 * time.Hour)
		_, err = s.Token(t.Context(), shared)
		wantReason(t, err, record.ReasonDelegatedLoginMissing)

		signedIn(t, w, s)
		w.Change(application, func(a *fakeentra.Application) { a.Scopes = []string{"SMTP.Send"} })
		imap := shared
		imap.Protocol = record.ProtocolIMAP
		_, err = s.Token(t.Context(), imap)
		wantReason(t, err, record.ReasonConsentMissing)
		token(t, s, shared)
	})
}

func TestLoginFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		show func(*world, entra.DeviceCode) error
		want record.Reason
		text string
	}{
		"declined": {func(w *world, code entra.DeviceCode) error { return w.Decline(code.UserCode) },
			record.ReasonDelegatedLoginMissing, "declined"},
		"expired": {func(w *world, code entra.DeviceCode) error { return w.Expire(code.UserCode) },
			record.ReasonDelegatedLoginMissing, "expired"},
		"nobody": {func(*world, entra.DeviceCode) error { return nil }, record.ReasonDelegatedLoginMissing, "in time"},
		"somebody else": {func(w *world, code entra.DeviceCode) error { return w.Approve(code.UserCode, "admin@contoso.example") },
			record.ReasonDelegatedLoginMissing, "admin@contoso.example has signed in"},
		"no consent": {func(w *world, code entra.DeviceCode) error {
			w.Change(application, func(a *fakeentra.Application) { a.Scopes = nil })
			return w.Approve(code.UserCode, person)
		}, record.ReasonConsentMissing, ""},
		"not public": {func(w *world, _ entra.DeviceCode) error {
			w.Change(application, func(a *fakeentra.Application) { a.Public = false })
			return nil
		}, record.ReasonAppCredentialRefused, "Allow public client flows"},
		"policy": {func(w *world, _ entra.DeviceCode) error {
			w.SetTrouble(fakeentra.Trouble{Code: 53003})
			return nil
		}, record.ReasonConditionalAccess, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s := w.source(t, w.config(t))
				_, err := s.Login(t.Context(), login, func(code entra.DeviceCode) {
					if err := c.show(w, code); err != nil {
						t.Error(err)
					}
				})
				wantReason(t, err, c.want)
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("the error is %v", err)
				}
				if len(files(t, w)) != 0 {
					t.Error("something is stored")
				}
			})
		})
	}
}

// An Entra that fails for a moment does not end a sign-in that a person is at.
func TestLoginOutlastsTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.source(t, w.config(t))
		who, err := s.Login(t.Context(), login, func(code entra.DeviceCode) {
			w.SetTrouble(fakeentra.Trouble{Status: 503, RetryAfter: "30"})
			time.AfterFunc(time.Minute, func() {
				w.SetTrouble(fakeentra.Trouble{})
				if err := w.Approve(code.UserCode, person); err != nil {
					t.Error(err)
				}
			})
		})
		if err != nil || who != person {
			t.Errorf("%q, error %v", who, err)
		}
		if n := w.Counts().Token; n > 6 {
			t.Errorf("%d requests in spite of Retry-After", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := s.Login(ctx, login, func(entra.DeviceCode) { cancel() }); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled sign-in: %v", err)
		}
	})
}

// What is wrong with the files is told with the file's name and the way out.
func TestStoredSignInIsDamaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, file, key string){
		"truncated": func(t *testing.T, file, _ string) { write(t, file, "tlslift sign-in 1\nxx") },
		"changed": func(t *testing.T, file, _ string) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			content[len(content)-20] ^= 1
			write(t, file, string(content))
		},
		"another file":   func(t *testing.T, file, _ string) { write(t, file, "hello") },
		"empty":          func(t *testing.T, file, _ string) { write(t, file, "") },
		"key missing":    func(t *testing.T, _, key string) { remove(t, key) },
		"another key":    func(t *testing.T, _, key string) { write(t, key, strings.Repeat("A", 43)+"=\n") },
		"key truncated":  func(t *testing.T, _, key string) { write(t, key, "AAAA") },
		"key for others": func(t *testing.T, _, key string) { chmod(t, key, 0o644) },
		"of another account": func(t *testing.T, file, _ string) {
			other := strings.Replace(file, "delegate@", "boss@", 1)
			if err := os.Rename(file, other); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(other)
			if err != nil {
				t.Fatal(err)
			}
			write(t, strings.Replace(file, "delegate@", "scan@", 1), string(content))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "key for others" && runtime.GOOS == "windows" {
				t.Skip("Windows has no such modes")
			}
			w := newWorld(t)
			c := w.config(t)
			signedIn(t, w, w.source(t, c))
			dir := filepath.Join(w.dir, "state")
			file := filepath.Join(dir, "signin-"+person+".login")
			damage(t, file, filepath.Join(dir, "signin.key"))
			id := shared
			if name == "of another account" {
				id.User, file = "", filepath.Join(dir, "signin-"+mailbox+".login")
			}
			_, err := w.source(t, c).Token(t.Context(), id)
			wantReason(t, err, record.ReasonDelegatedLoginMissing)
			if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "tlslift login "+id.User) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestSignInOfAnotherApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config(t)
	signedIn(t, w, w.source(t, c))
	c.ApplicationID = "22222222-2222-3333-4444-555555555555"
	_, err := w.source(t, c).Token(t.Context(), shared)
	wantReason(t, err, record.ReasonDelegatedLoginMissing)
	if err == nil || !strings.Contains(err.Error(), "another application") {
		t.Errorf("the error is %v", err)
	}
}

// A state directory that takes nothing more does not keep mail from being sent.
func TestRenewedSignInCannotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.config(t)
		signedIn(t, w, w.source(t, c))
		s := w.source(t, c)
		first := token(t, s, shared)
		file := filepath.Join(w.dir, "state", "signin-"+person+".login")
		var content []byte
		w.before = func() { // the file has been read
			var err error
			if content, err = os.ReadFile(file); err != nil {
				t.Error(err)
			}
			remove(t, file)
			if err := os.MkdirAll(filepath.Join(file, "in the way"), 0o700); err != nil {
				t.Error(err)
			}
		}
		if got, err := s.Renew(t.Context(), shared, first); err != nil || got.Value == first.Value {
			t.Errorf("error %v", err)
		}
		w.before = nil
		if len(w.lost) != 1 || !strings.Contains(w.lost[0].Error(), "storing the sign-in as "+person) {
			t.Errorf("lost is %v", w.lost)
		}
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		write(t, file, string(content))
		time.Sleep(2 * time.Hour)
		token(t, s, shared) // by the sign-in of before
	})
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Error(err)
	}
}

func chmod(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Error(err)
	}
}
