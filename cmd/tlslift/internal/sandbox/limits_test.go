package sandbox

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/signin"
)

func TestBeyond(t *testing.T) {
	t.Parallel()
	l := Limits{Read: []string{"/etc"}, Write: []string{"/var/lib/tlslift"}, Connect: []uint16{443, 587}}
	for _, test := range []struct {
		name   string
		wanted Limits
		want   []string
	}{
		{"the same", l, nil},
		{"less", Limits{Read: []string{"/etc/tlslift", "/var/lib/tlslift/ca"}, Connect: []uint16{443}}, nil},
		{"another directory", Limits{Read: []string{"/etc2"}, Connect: []uint16{443}}, []string{"reading /etc2"}},
		{"writing to what may be read", Limits{Write: []string{"/etc"}, Connect: []uint16{443}}, []string{"writing to /etc"}},
		{"another port", Limits{Connect: []uint16{443, 2525}}, []string{"connecting to port 2525"}},
		{"all ports", Limits{}, []string{"connecting to any port"}},
	} {
		if got := l.Beyond(test.wanted); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if got := (Limits{}).Beyond(Limits{Connect: []uint16{2525}}); got != nil {
		t.Errorf("with no limit of ports: %q", got)
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	l := Limits{
		Read: []string{"/etc", "/srv/new"}, Write: []string{"/var/lib/tlslift"}, Execute: []string{"/usr/lib", "/opt"},
		Connect: []uint16{443, 2525},
	}
	outer := Limits{
		Read: []string{"/etc/tlslift", "/var"}, Write: []string{"/var/lib/tlslift/ca"}, Execute: []string{"/usr"},
		Connect: []uint16{443, 587},
	}
	want := Limits{
		Read:  []string{"/etc/tlslift", "/usr/lib", "/var/lib/tlslift", "/var/lib/tlslift/ca"},
		Write: []string{"/var/lib/tlslift/ca"}, Execute: []string{"/usr/lib"}, Connect: []uint16{443},
	}
	if got := l.Within(outer); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := outer.Within(l); !reflect.DeepEqual(got, want) {
		t.Errorf("the other way round: %+v", got)
	}
	for _, ports := range [][]uint16{nil, {}, {443}} {
		one, all := Limits{Connect: ports}, Limits{}
		if got := one.Within(all).Connect; !reflect.DeepEqual(got, ports) {
			t.Errorf("%v within all ports: %v", ports, got)
		}
		if got := all.Within(one).Connect; !reflect.DeepEqual(got, ports) {
			t.Errorf("all ports within %v: %v", ports, got)
		}
	}
}

// TestOfService checks what is permitted for files that lie outside the usual places.
func TestOfService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// As Kubernetes mounts a configuration: a link that leads to another directory.
	clients := filepath.Join(dir, "clients", "clients.yaml")
	real := write("mounted/version2/clients.yaml", "")
	if err := os.MkdirAll(filepath.Dir(clients), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, clients); err != nil {
		t.Fatal(err)
	}
	write("web-tls/cert.pem", "")
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := settings.Source{Environ: map[string]string{
		"TLSLIFT_STATE_DIR":             state,
		"TLSLIFT_CLIENTS_FILE":          clients,
		"TLSLIFT_TICKET_KEYS_FILE":      write("shared/ticket.keys", ""),
		"TLSLIFT_UPSTREAM_CA_FILE":      write("roots/roots.pem", ""),
		"TLSLIFT_ADMIN_WEB_CONFIG_FILE": write("web/web.yaml", "http_server_config: {http2: false}\n"),
		"TLSLIFT_DESTINATIONS":          "mail.example.com:2525",
		"TLSLIFT_CONNECT_TO":            "outlook.office365.com:443=127.0.0.1:8443",
		"TLSLIFT_UPSTREAM_PROXY":        "http://proxy.example.com:3128",
	}}.Load()
	if err != nil {
		t.Fatal(err)
	}
	got := OfService(c, signin.Application{SecretFile: write("secrets/secret", "x"), ManagedIdentity: "system"}, Own{
		EnvFile: write("settings/tlslift.env", ""), Command: []string{write("program/tlslift", ""), "serve"},
	})
	want := Limits{
		Read: []string{
			"/etc", filepath.Dir(clients), filepath.Dir(real), filepath.Join(dir, "roots"), filepath.Join(dir, "web"),
			filepath.Join(dir, "secrets"), filepath.Join(dir, "settings"),
		},
		Write:   []string{state, filepath.Join(dir, "shared"), "/dev/null"},
		Connect: []uint16{25, 53, 80, 143, 443, 587, 993, 995, 2525, 3128, 8443},
	}
	if missing := got.Beyond(want); len(missing) > 0 {
		t.Errorf("not permitted: %q", missing)
	}
	if !slices.Contains(got.Execute, filepath.Join(dir, "program")) {
		t.Errorf("a successor cannot be started: %q", got.Execute)
	}
	for _, not := range []Limits{
		{Read: []string{dir}}, {Read: []string{"/home"}}, {Read: []string{"/"}}, {Write: []string{"/etc"}},
		{Write: []string{filepath.Dir(clients)}}, {Connect: []uint16{22}}, {Connect: []uint16{8080}},
	} {
		if not.Connect == nil {
			not.Connect = []uint16{443}
		}
		if len(got.Beyond(not)) != 1 {
			t.Errorf("permitted: %+v", not)
		}
	}
}

// Some settings lead to any port.
func TestAnyPort(t *testing.T) {
	t.Parallel()
	for _, environ := range []map[string]string{
		{"TLSLIFT_DESTINATIONS": "ftp.example.com:1024-65535"},
		{"TLSLIFT_LISTEN": "redirect://:3129?unmatched=bypass"},
		{"TLSLIFT_LISTEN": "smtp://:2587,tproxy://:3130?unmatched=bypass"},
	} {
		environ["TLSLIFT_STATE_DIR"] = t.TempDir()
		c, err := settings.Source{Environ: environ}.Load()
		if err != nil {
			t.Fatal(err)
		}
		if got := OfService(c, signin.Application{}, Own{}).Connect; got != nil {
			t.Errorf("%v: %d ports one by one, want all", environ, len(got))
		}
	}
}
