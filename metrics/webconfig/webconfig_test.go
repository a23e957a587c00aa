package webconfig

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlslift/tlslift/metrics/loadlimit"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// directory writes a web configuration file, with a certificate and key beside it, and
// returns its path.
func directory(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	key := testenv.ECDSAKey(t)
	write(t, filepath.Join(dir, "cert.pem"), testenv.CertificatePEM(testenv.SelfSigned(t, testenv.Template("", "tlslift.example"), key).Leaf))
	write(t, filepath.Join(dir, "key.pem"), testenv.KeyPEM(t, key))
	write(t, filepath.Join(dir, "web.yml"), []byte(text))
	return filepath.Join(dir, "web.yml")
}

// write replaces a file, so that it is another one.
func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

const withTLS = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"

// withUser lets users in, of a name and a password each.
func withUsers(t testing.TB, users ...string) string {
	t.Helper()
	text := "basic_auth_users:\n"
	for i := 0; i < len(users); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(users[i+1]), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("  %s: %s\n", users[i], hash)
	}
	return text
}

// A guarded handler is one behind a file.
type guarded struct {
	http.Handler
	file *File
	path string
	log  *bytes.Buffer
}

func guard(t testing.TB, text string) *guarded {
	t.Helper()
	g := &guarded{path: directory(t, text), log: &bytes.Buffer{}}
	var err error
	g.file, err = Open(g.path, Options{
		IsOpen: func(path string) bool { return path == "/readyz" }, Log: slog.New(slog.NewTextHandler(g.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Handler = g.file.protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }))
	return g
}

// ask asks for a path as a client with a user and a password; none if user is empty.
func (g *guarded) ask(path, client, user, password string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = client + ":5000"
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// While the file is broken, the health checks are answered and nobody is let in; the log
// says so once.
func TestBrokenWhileRunning(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"not YAML":    func(t *testing.T, dir string) { write(t, dir+"/web.yml", []byte("basic_auth_users: [")) },
		"unknown key": func(t *testing.T, dir string) { write(t, dir+"/web.yml", []byte("basic_auth_user: {}\n")) },
		"empty hash":  func(t *testing.T, dir string) { write(t, dir+"/web.yml", []byte("basic_auth_users: {a: ''}\n")) },
		"wrong header": func(t *testing.T, dir string) {
			write(t, dir+"/web.yml", []byte("http_server_config: {headers: {X-Y: z}}\n"))
		},
		"gone": func(t *testing.T, dir string) {
			if err := os.Remove(dir + "/web.yml"); err != nil {
				t.Fatal(err)
			}
		},
		"key is gone": func(t *testing.T, dir string) {
			if err := os.Remove(dir + "/key.pem"); err != nil {
				t.Fatal(err)
			}
		},
		"key of another": func(t *testing.T, dir string) { write(t, dir+"/key.pem", testenv.KeyPEM(t, testenv.ECDSAKey(t))) },
		"huge":           func(t *testing.T, dir string) { write(t, dir+"/web.yml", bytes.Repeat([]byte("#\n"), maxFile)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			right := withTLS + withUsers(t, "admin", "secret") + "http_server_config: {headers: {X-Frame-Options: deny}}\n"
			g := guard(t, right)
			if w := g.ask("/", "192.0.2.1", "admin", "secret"); w.Code != 200 || w.Header().Get("X-Frame-Options") != "deny" {
				t.Fatalf("got %d %v", w.Code, w.Header())
			}
			spoil(t, filepath.Dir(g.path))
			for range 3 {
				for _, password := range []string{"secret", "wrong"} {
					w := g.ask("/", "192.0.2.1", "admin", password)
					if w.Code != 503 || !strings.Contains(w.Body.String(), "TLSLIFT_ADMIN_WEB_CONFIG_FILE cannot be used") ||
						w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), g.path) {
						t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
					}
				}
				if w := g.ask("/readyz", "192.0.2.1", "", ""); w.Code != 200 || w.Body.String() != "in" {
					t.Errorf("the health check: %d %s", w.Code, w.Body)
				}
			}
			if log := g.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=ERROR") || g.file.Failures() != 1 ||
				g.file.HasPasswords() {
				t.Errorf("%d failures; the log has %s", g.file.Failures(), log)
			}
			dir := filepath.Dir(g.path)
			again := directory(t, right)
			for _, name := range []string{"cert.pem", "key.pem", "web.yml"} {
				text, err := os.ReadFile(filepath.Join(filepath.Dir(again), name))
				if err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, name), text)
			}
			if w := g.ask("/", "192.0.2.1", "admin", "secret"); w.Code != 200 || !strings.Contains(g.log.String(), "can be used again") {
				t.Errorf("after it was corrected: %d %s\n%s", w.Code, w.Body, g.log)
			}
		})
	}
}

// A user who is removed is not let in any more, however often it was right before.
func TestUsersChange(t *testing.T) {
	t.Parallel()
	g := guard(t, withUsers(t, "admin", "secret", "other", "secret2"))
	for range 2 {
		if w := g.ask("/", "192.0.2.1", "admin", "secret"); w.Code != 200 {
			t.Fatalf("got %d", w.Code)
		}
	}
	write(t, g.path, []byte(withUsers(t, "admin", "changed", "other", "secret2")))
	for password, want := range map[string]int{"secret": 401, "changed": 200} {
		if w := g.ask("/", "192.0.2.1", "admin", password); w.Code != want {
			t.Errorf("%s: got %d", password, w.Code)
		}
	}
	write(t, g.path, []byte(withUsers(t, "other", "secret2")))
	if w := g.ask("/", "192.0.2.1", "admin", "changed"); w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Basic" {
		t.Errorf("a user that is gone: %d", w.Code)
	}
}

// Turning TLS off or on takes a restart; passwords are in force at once.
func TestTLSStaysUntilARestart(t *testing.T) {
	t.Parallel()
	g := guard(t, withTLS)
	write(t, g.path, []byte(withUsers(t, "admin", "secret")))
	if w := g.ask("/", "192.0.2.1", "", ""); w.Code != 401 {
		t.Errorf("got %d", w.Code)
	}
	if c, err := g.file.current(); err != nil || c.secure == nil || !strings.Contains(g.log.String(), "only by a restart") {
		t.Errorf("TLS is gone: %v\n%s", err, g.log)
	}
}

// Wrong passwords cost so much and no more, and keep out only the group that tries them.
func TestWrongPasswords(t *testing.T) {
	t.Parallel()
	g := guard(t, withUsers(t, "admin", "secret"))
	synctest.Test(t, func(t *testing.T) {
		known := g.ask("/", "[2001:db8::1]", "admin", "secret")
		if known.Code != 200 {
			t.Fatal(known.Code)
		}
		for i := range burst {
			user := []string{"admin", "nobody"}[i%2]
			if w := g.ask("/", fmt.Sprintf("[2001:db8::%x]", i+1), user, fmt.Sprint("wrong", i)); w.Code != 401 {
				t.Errorf("try %d: %d", i, w.Code)
			}
		}
		w := g.ask("/", "[2001:db8::ffff:1]", "admin", "wrong")
		if w.Code != 429 || w.Header().Get("Retry-After") != "2" {
			t.Errorf("one more: %d %v", w.Code, w.Header())
		}
		if w := g.ask("/", "[2001:db8::2]", "admin", "secret"); w.Code != 200 {
			t.Errorf("a password that was right before is kept out: %d", w.Code)
		}
		if w := g.ask("/", "192.0.2.1", "nobody", "wrong"); w.Code != 401 {
			t.Errorf("another group is kept out: %d", w.Code)
		}
		if w := g.ask("/readyz", "[2001:db8::2]", "", ""); w.Code != 200 {
			t.Errorf("the health check: %d", w.Code)
		}
		time.Sleep(refill) // synthetic time
		for _, want := range []int{401, 429} {
			if w := g.ask("/", "[2001:db8::2]", "admin", "wrong"); w.Code != want {
				t.Errorf("after a while: %d, want %d", w.Code, want)
			}
		}
	})
}

// Comparisons are made one at a time, and a group has only so many that wait.
func TestComparisonsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords()
		p.comparing <- struct{}{} // somebody's password is being compared
		var asking sync.WaitGroup
		codes := make(chan int, 100)
		ask := func(client string) {
			asking.Go(func() {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.RemoteAddr = client + ":5000"
				r.SetBasicAuth("admin", "x")
				w := httptest.NewRecorder()
				p.let(w, r, map[string]string{"admin": "$2y$04$"})
				codes <- w.Code
			})
		}
		for range maxWaitingPerGroup {
			ask("192.0.2.1")
		}
		synctest.Wait()
		ask("192.0.2.1")
		if code := <-codes; code != 503 {
			t.Errorf("one more of a group: %d", code)
		}
		ask("192.0.2.2")
		synctest.Wait()
		if len(codes) != 0 {
			t.Error("another group does not wait for its turn")
		}
		<-p.comparing
		asking.Wait()
		for range maxWaitingPerGroup + 1 {
			if code := <-codes; code != 401 {
				t.Errorf("got %d", code)
			}
		}
	})
}

// What is kept does not grow without bound.
func TestPasswordsForget(t *testing.T) {
	t.Parallel()
	p := newPasswords()
	for i := range 3 * maxKnown {
		p.remember(p.attempt("user", "hash", fmt.Sprint(i)))
	}
	now := time.Now()
	for i := range 3 * maxGroups {
		r := &http.Request{RemoteAddr: fmt.Sprintf("10.0.%d.%d:1", i/256, i%256)}
		p.countWrong(loadlimit.GroupOf(r), now)
	}
	if len(p.known) > maxKnown || len(p.tries) > maxGroups {
		t.Errorf("%d passwords and %d groups are kept", len(p.known), len(p.tries))
	}
	if p.attempt("ab", "c", "d") == p.attempt("a", "bc", "d") {
		t.Error("two passwords are one")
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(withTLS + withUsers(f, "a", "b")))
	f.Add([]byte("http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\nrate_limit: {interval: 1s, burst: 2}\n"))
	f.Add([]byte("tls_server_config: {cert: x, key: y, client_ca: z, client_auth_type: RequireAnyClientCert}\n"))
	path := directory(f, "")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := load(path)
		if err == nil && c.secure != nil && len(c.secure.Certificates) != 1 {
			t.Error("TLS without a certificate")
		}
	})
}
