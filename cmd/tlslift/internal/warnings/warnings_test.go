package warnings

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// webConfig writes a file, such as a web configuration with a password.
func webConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	password := webConfig(t, "basic_auth_users: {admin: "+string(hash)+"}\n")
	noPassword := webConfig(t, "http_server_config: {http2: false}\n")
	const (
		page  = "can read the names and addresses of the clients without a password"
		relay = "takes passwords and mail without TLS"
		root  = "runs as root"
		wide  = "can claim to be any client"
		same  = "can claim to be another one"
		route = `TLSLIFT_CLIENTS_FILE: client "a": to=smtp-hve.office365.com:587 has no effect`
	)
	clients := webConfig(t, "clients: [{name: a, address: 10.0.0.1, to: [smtp-hve.office365.com:587, outlook.office365.com:993]}]\n")
	for name, test := range map[string]struct {
		environ map[string]string
		user    int
		want    []string
	}{
		"defaults": {user: 1000},

		"page on all addresses":   {map[string]string{"ADMIN_LISTEN": ":9465"}, 1000, []string{page}},
		"page on an address":      {map[string]string{"ADMIN_LISTEN": "192.168.1.5:9465"}, 1000, []string{page}},
		"page on [::]":            {map[string]string{"ADMIN_LISTEN": "[::]:9465"}, 1000, []string{page}},
		"page on a name":          {map[string]string{"ADMIN_LISTEN": "gateway:9465"}, 1000, []string{page}},
		"page on ::1":             {map[string]string{"ADMIN_LISTEN": "[::1]:9465"}, 1000, nil},
		"page on localhost":       {map[string]string{"ADMIN_LISTEN": "localhost:9465"}, 1000, nil},
		"page on 127.0.0.2":       {map[string]string{"ADMIN_LISTEN": "127.0.0.2:9465"}, 1000, nil},
		"no page":                 {map[string]string{"ADMIN_LISTEN": ""}, 1000, nil},
		"page with a password":    {map[string]string{"ADMIN_LISTEN": ":9465", "ADMIN_WEB_CONFIG_FILE": password}, 1000, nil},
		"page without a password": {map[string]string{"ADMIN_LISTEN": ":9465", "ADMIN_WEB_CONFIG_FILE": noPassword}, 1000, []string{page}},
		"public address":          {map[string]string{"PUBLIC_LISTEN": ":8080"}, 1000, nil},
		"everybody with TLS":      {map[string]string{"CLIENT_NETS": "0.0.0.0/0,::/0", "LISTEN": "smtp://:587"}, 1000, nil},
		"everybody without TLS": {
			map[string]string{"CLIENT_NETS": "0.0.0.0/0", "LISTEN": "smtp://:2587?plaintext=allow"}, 1000, []string{relay},
		},
		"everybody of IPv6": {
			map[string]string{"CLIENT_NETS": "10.0.0.0/8,::/0", "LISTEN": "imap://:1143?plaintext=allow"}, 1000, []string{relay},
		},
		"everybody in two halves": {
			map[string]string{"CLIENT_NETS": "0.0.0.0/1,128.0.0.0/1", "LISTEN": "proxy://:3128?plaintext=allow"}, 1000, []string{relay},
		},
		"some without TLS": {map[string]string{"CLIENT_NETS": "10.0.0.0/8", "LISTEN": "smtp://:2587?plaintext=allow"}, 1000, nil},
		"everybody who is here": {
			map[string]string{"CLIENT_NETS": "0.0.0.0/0", "LISTEN": "smtp://127.0.0.1:2587?plaintext=allow"}, 1000, nil,
		},
		"root":                        {nil, 0, []string{root}},
		"no users here":               {nil, -1, nil},
		"root for a low port":         {map[string]string{"LISTEN": "smtp://:587"}, 0, nil},
		"root for the public address": {map[string]string{"PUBLIC_LISTEN": ":80"}, 0, nil},
		"root for any port":           {map[string]string{"LISTEN": "proxy://:0"}, 0, []string{root}},
		"root for redirected clients": {map[string]string{"LISTEN": "redirect://:3129"}, 0, nil},
		"root for a mark":             {map[string]string{"UPSTREAM_MARK": "7"}, 0, nil},
		"balancers":                   {map[string]string{"TRUSTED_PROXIES": "10.0.0.5,192.168.1.5"}, 1000, nil},
		"balancers elsewhere":         {map[string]string{"TRUSTED_PROXIES": "100.64.0.0/28,2001:db8::/120"}, 1000, nil},
		"wide":                        {map[string]string{"TRUSTED_PROXIES": "100.64.0.0/27"}, 1000, []string{wide}},
		"wide IPv6":                   {map[string]string{"TRUSTED_PROXIES": "2001:db8::/119"}, 1000, []string{wide}},
		"wide in parts":               {map[string]string{"TRUSTED_PROXIES": "100.64.0.0/28,100.64.0.16/28"}, 1000, []string{wide}},
		"among clients":               {map[string]string{"TRUSTED_PROXIES": "10.0.0.0/29"}, 1000, []string{same}},
		"wide, among clients":         {map[string]string{"TRUSTED_PROXIES": "10.0.0.0/24"}, 1000, []string{wide, same}},
		"around clients": {map[string]string{"TRUSTED_PROXIES": "100.64.0.0/28", "CLIENT_NETS": "100.64.0.5"}, 1000,
			[]string{same}},
		"routes of clients": {map[string]string{"CLIENTS_FILE": clients, "LISTEN": "smtps://:465,tls://:993?port=993"}, 1000, nil},
		"route of a client without a listener": {
			map[string]string{"CLIENTS_FILE": clients, "LISTEN": "proxy://:3128,imap://:143"}, 1000, []string{route},
		},
		"all at once": {map[string]string{"ADMIN_LISTEN": ":9465", "TRUSTED_PROXIES": "0.0.0.0/0", "CLIENT_NETS": "0.0.0.0/0",
			"LISTEN": "smtp://:2587?plaintext=allow"}, 0, []string{page, relay, root, wide, same}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := map[string]string{"HOME": "/home/user", "LOCALAPPDATA": `C:\user`}
			for setting, value := range test.environ {
				maps.Copy(environ, map[string]string{settings.Prefix + setting: value})
			}
			cfg, err := settings.Source{Environ: environ}.Load()
			if err != nil {
				t.Fatal(err)
			}
			got := Of(cfg, test.user)
			if len(got) != len(test.want) {
				t.Fatalf("got %v, want %q", got, test.want)
			}
			for i, w := range got {
				if !strings.Contains(w.Text, test.want[i]) || w.Remedy == "" || strings.Contains(w.String(), "\n") {
					t.Errorf("got %v, want %q", w, test.want[i])
				}
			}
		})
	}
}
