package mailboxes

import (
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/signin"
)

// load reads a sign-in file of an application with a secret.
func load(t *testing.T, application, mailboxes string) *signin.Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"secret": "app-secret",
		"signin.yaml": "tenant: contoso.onmicrosoft.com\napplication: {id: 11111111-2222-3333-4444-555555555555, secret_file: " +
			filepath.Join(dir, "secret") + application + "}\nmailboxes: [" + mailboxes + "]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := signin.Load(filepath.Join(dir, "signin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func newService(t *testing.T, file *signin.Config) *Service {
	t.Helper()
	s, err := New(&settings.Config{StateDir: t.TempDir()}, file, http.DefaultClient, Observer{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

// The day on which the secret expires is no reason to ask for all tokens anew.
func TestReplaceKeepsTheTokens(t *testing.T) {
	t.Parallel()
	const box = "{address: scan@contoso.com, clients: [10.0.0.1]}"
	file := load(t, "", box)
	s := newService(t, file)
	before := s.Source()
	for _, day := range []string{"2027-11-01", "2028-11-01"} {
		later := *load(t, ", expires: "+day, box)
		later.Application.SecretFile = file.Application.SecretFile // the two have directories of their own
		if err := s.Replace(&later); err != nil || s.Source() != before || s.File().Application.Expires.IsZero() {
			t.Errorf("%s: %v, the tokens stay: %v", day, err, s.Source() == before)
		}
	}
	if err := s.Replace(load(t, "", box)); err != nil || s.Source() == before {
		t.Errorf("another secret: %v, the tokens stay: %v", err, s.Source() == before)
	}
	if s.Keeper.Mapped(signin.Client{Addr: netip.MustParseAddr("10.0.0.1")}) == nil {
		t.Error("the client has no mailbox")
	}
}
