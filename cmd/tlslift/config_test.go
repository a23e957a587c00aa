package main

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// load reads the settings as serve would.
func loadWith(environ map[string]string, envFile string) (*Config, error) {
	all := map[string]string{"HOME": "/home/user", "LOCALAPPDATA": `C:\user`}
	maps.Copy(all, environ)
	p := &program{environ: all, stderr: os.Stderr, envFile: envFile}
	return p.load()
}

func mustLoad(t *testing.T, environ map[string]string) *Config {
	t.Helper()
	cfg, err := loadWith(environ, "")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestSettingsMatchConfig: what is documented is read, and the other way
// round, in the same order.
func TestSettingsMatchConfig(t *testing.T) {
	t.Parallel()
	var fields, rows []string
	for field := range reflect.TypeFor[Config]().Fields() {
		fields = append(fields, field.Tag.Get("env"))
	}
	for _, s := range settings {
		rows = append(rows, s.name)
		if s.meaning == "" || s.remedy == "" || strings.ContainsAny(s.meaning, "|\n") {
			t.Errorf("%s: meaning %q, remedy %q", s.name, s.meaning, s.remedy)
		}
	}
	if !slices.Equal(fields, rows) {
		t.Errorf("Config has %v\nsettings has %v", fields, rows)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, nil)
	if fmt.Sprint(cfg.Listen) != "[proxy://127.0.0.1:3128 smtp://127.0.0.1:2587]" || cfg.AdminListen != "127.0.0.1:9465" {
		t.Errorf("listens on %v and %v", cfg.Listen, cfg.AdminListen)
	}
	if len(cfg.ClientNets) != 7 || cfg.TrustedProxies != nil || cfg.Destinations != nil || cfg.UpstreamProxy != nil ||
		bool(cfg.CriticalCA) || slices.Contains(cfg.Ciphers, cipherRC4) || cfg.MaxConns != 10000 || cfg.MaxConnsClient != 200 {
		t.Errorf("got %+v", cfg)
	}
	if time.Duration(cfg.HandshakeTimeout) != 30*time.Second || time.Duration(cfg.IdleTimeout) != 10*time.Minute {
		t.Errorf("got timeouts %v, %v", cfg.HandshakeTimeout, cfg.IdleTimeout)
	}
}

func TestEmptyValues(t *testing.T) {
	t.Parallel()
	empty := map[string]string{}
	for _, name := range settingNames() {
		empty[name] = ""
	}
	want := mustLoad(t, map[string]string{"TLSLIFT_ADMIN_LISTEN": ""})
	if want.AdminListen != "" {
		t.Errorf("the admin listener is on: %q", want.AdminListen)
	}
	if got := mustLoad(t, empty); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	file := writeFile(t, "TLSLIFT_ADMIN_LISTEN=\n")
	if got, err := loadWith(nil, file); err != nil || got.AdminListen != "" {
		t.Errorf("from a file: got %+v, %v", got, err)
	}
}

func TestGoodValues(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, map[string]string{
		"TLSLIFT_LISTEN":          " proxy://:3128 , tls://:8443?to=mail.example.com:443,",
		"TLSLIFT_DESTINATIONS":    "mail.example.com:443,*.example.net:587-588",
		"TLSLIFT_CLIENT_NETS":     "10.1.2.3/8, 192.0.2.1,fd00::/8,2001:db8::1",
		"TLSLIFT_CIPHERS":         "RC4",
		"TLSLIFT_CONNECT_TO":      "mail.example.com:443=10.0.0.1:8443",
		"TLSLIFT_UPSTREAM_PROXY":  "http://user:hunter2@proxy.example.com:3128",
		"TLSLIFT_M365_INSTANCE":   "GCCHigh",
		"TLSLIFT_M365_REFRESH":    "True",
		"TLSLIFT_LOG_LEVEL":       "WARN",
		"TLSLIFT_LOG_FORMAT":      "JSON",
		"TLSLIFT_MAX_CONNECTIONS": "7",
	})
	if len(cfg.Listen) != 2 || cfg.Listen[1].To.String() != "mail.example.com:443" || len(cfg.Destinations) != 2 {
		t.Errorf("got %+v, %v", cfg.Listen, cfg.Destinations)
	}
	if got := fmt.Sprint(prefixes(cfg.ClientNets)); got != "[10.0.0.0/8 192.0.2.1/32 fd00::/8 2001:db8::1/128]" {
		t.Errorf("got networks %s", got)
	}
	if !slices.Contains(cfg.Ciphers, cipherRC4) || cfg.ConnectTo["mail.example.com:443"] != "10.0.0.1:8443" ||
		cfg.Instance != "gcchigh" || !bool(cfg.Refresh) || cfg.LogFormat != logJSON || cfg.MaxConns != 7 {
		t.Errorf("got %+v", cfg)
	}
	if password, _ := cfg.UpstreamProxy.User.Password(); password != "hunter2" || cfg.UpstreamProxy.Host != "proxy.example.com:3128" {
		t.Errorf("got egress proxy %+v", cfg.UpstreamProxy)
	}
}

// badValues has at least one for each setting that can be wrong by itself.
var badValues = map[string][]string{
	"LISTEN":                     {"3128", "ftp://:25", "smtp://:25?plaintext=maybe", "proxy://127.0.0.1", "tls://:1?too=x", "tls://:8443?to=www.example.com:443", "redirect://:3129?sni=www.example.com", ","},
	"ADMIN_LISTEN":               {"9465", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "http://127.0.0.1:1", "*:9465"},
	"M365_INSTANCE":              {"mars"},
	"M365_REFRESH":               {"hourly"},
	"CLIENT_NETS":                {"10.0.0.0/33", "printer", "fe80::1%eth0", "::ffff:10.0.0.0/104", ","},
	"TRUSTED_PROXIES":            {"10.0.0"},
	"DESTINATIONS":               {"mail.example.com", "*:443", "10.0.0.1:443"},
	"CONNECT_TO":                 {"mail.example.com", "mail=10.0.0.1:443", "mail:443=10.0.0.1", "a:1=b:1,a:1=c:1"},
	"UPSTREAM_PROXY":             {"proxy:3128", "socks5://proxy:1080", "http://", "http://proxy/path"},
	"UPSTREAM_MARK":              {"own", "-1", "0x100000000", "0xg"},
	"CIPHERS":                    {"idea", "aes;rc4"},
	"DH_BITS":                    {"512", "1024bit", "-2048"},
	"CA_CRITICAL_CONSTRAINTS":    {"maybe"},
	"MAX_CONNECTIONS":            {"0", "-1", "many", "1.5", "99999999999"},
	"MAX_CONNECTIONS_PER_CLIENT": {"0"},
	"HANDSHAKE_TIMEOUT":          {"30", "0s", "-1s", "soon"},
	"IDLE_TIMEOUT":               {"0"},
	"DRAIN_TIMEOUT":              {"10"},
	"LOG_LEVEL":                  {"info+2", "trace"},
	"LOG_FORMAT":                 {"xml"},
}

func TestBadValues(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		for _, bad := range badValues[s.name] {
			_, err := loadWith(map[string]string{prefix + s.name: bad}, "")
			if err == nil {
				t.Errorf("%s=%s was taken", s.name, bad)
				continue
			}
			line := err.Error()
			value := strings.FieldsFunc(bad, func(r rune) bool { return strings.ContainsRune(",=?", r) })
			if !strings.HasPrefix(line, prefix+s.name+": ") || strings.Contains(line, "\n") ||
				!strings.HasSuffix(line, " (write "+s.remedy+")") || len(value) > 0 && !strings.Contains(line, value[0]) {
				t.Errorf("%s=%s: got %q", s.name, bad, line)
			}
		}
	}
}

func TestEveryErrorAtOnce(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "TLSLIFT_IDLE_TIMEOUT=x\nLISTEN=y\nnonsense\n")
	_, err := loadWith(map[string]string{
		"TLSLIFT_LOG_LEVEL":         "x",
		"TLSLIFT_ZZZ":               "x",
		"TLSLIFT_CLIENT_NETS":       "a,10.0.0.0/8,b",
		"TLSLIFT_UPSTREAM_KEY_FILE": "key.pem",
		"TLSLIFT_LISTEN":            "x",
		"TLSLIFT_ADMN_LISTEN":       "x",
		"HOME":                      "",
		"LOCALAPPDATA":              "",
	}, file)
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`TLSLIFT_LISTEN: "x" is not a listener URL`,
		"TLSLIFT_STATE_DIR: the environment does not tell a default",
		`TLSLIFT_CLIENT_NETS: "a" is not a network; "b" is not a network (write `,
		`TLSLIFT_UPSTREAM_CERT_FILE: it is missing, and "key.pem" is of no use alone (write `,
		`TLSLIFT_IDLE_TIMEOUT: "x" is not a time`,
		`TLSLIFT_LOG_LEVEL: unknown level "x"`,
		file + ": line 2: LISTEN is not a setting; did you mean TLSLIFT_LISTEN?",
		file + ": line 3: there is no =",
		"TLSLIFT_ADMN_LISTEN is not a setting; did you mean TLSLIFT_ADMIN_LISTEN?",
		"TLSLIFT_ZZZ is not a setting",
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("line %d: got %q, want %q", i, got[i], want[i])
		}
	}
}

func TestMissingCertificate(t *testing.T) {
	t.Parallel()
	_, err := loadWith(map[string]string{"TLSLIFT_UPSTREAM_CERT_FILE": "cert.pem"}, "")
	if err == nil || !strings.HasPrefix(err.Error(), `TLSLIFT_UPSTREAM_KEY_FILE: it is missing, and "cert.pem"`) {
		t.Errorf("got %v", err)
	}
}

// TestPrecedence: the environment wins over the file, which wins over the
// default, and config says which it was.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "# mine\nTLSLIFT_LOG_LEVEL=debug\nTLSLIFT_IDLE_TIMEOUT='5m'\n")
	got := runWith(t, map[string]string{"TLSLIFT_LOG_LEVEL": "error"}, "config", "--env-file", file)
	if got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	wantRow(t, got.stdout, "TLSLIFT_LOG_LEVEL", "error environment")
	wantRow(t, got.stdout, "TLSLIFT_IDLE_TIMEOUT", "5m "+file+" line 3")
	wantRow(t, got.stdout, "TLSLIFT_DRAIN_TIMEOUT", "30s default")
	wantRow(t, got.stdout, "TLSLIFT_UPSTREAM_CA_FILE", "(the system's) default")
	wantRow(t, got.stdout, "TLSLIFT_DESTINATIONS", "(none) default")
	if lines := strings.Count(got.stdout, "\n"); lines != len(settings)+1 {
		t.Errorf("got %d lines", lines)
	}
}

// wantRow looks for a row of the table of config that goes on with want, when
// its columns are separated by one blank.
func wantRow(t *testing.T, table, name, want string) {
	t.Helper()
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); fields[0] == name {
			if row := strings.Join(fields, " "); !strings.HasPrefix(row, name+" "+want) {
				t.Errorf("got %q, want %s %s", row, name, want)
			}
			return
		}
	}
	t.Errorf("no row for %s in:\n%s", name, table)
}

func TestPasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	for _, proxy := range []string{
		"http://user:hunter2@proxy.example.com:3128",
		"ftp://user:hunter2@proxy",
		"user:hunter2@proxy:3128",
		"http://user:hunter2@proxy:port",
		"http://user:hunter2%@proxy",
		"http://user:hun@ter2/hunter2@proxy",
		"http://user:hunter2@proxy/path",
	} {
		got := runWith(t, map[string]string{"TLSLIFT_UPSTREAM_PROXY": proxy}, "config")
		out := got.stdout + got.stderr
		if strings.Contains(out, "hunter2") || strings.Contains(out, "hun@") || !strings.Contains(out, "xxxxx@proxy") {
			t.Errorf("%s: got %s", proxy, out)
		}
	}
}

// TestServiceLinks: Kubernetes describes a Service called tlslift in variables
// that look like settings.
func TestServiceLinks(t *testing.T) {
	t.Parallel()
	links := map[string]string{
		"TLSLIFT_SERVICE_HOST": "10.0.0.1", "TLSLIFT_SERVICE_PORT": "3128", "TLSLIFT_SERVICE_PORT_PROXY": "3128",
		"TLSLIFT_PORT": "tcp://10.0.0.1:3128", "TLSLIFT_PORT_3128_TCP": "tcp://10.0.0.1:3128",
		"TLSLIFT_PORT_3128_TCP_PROTO": "tcp", "TLSLIFT_PORT_3128_TCP_PORT": "3128",
		"TLSLIFT_PORT_3128_TCP_ADDR": "10.0.0.1", "TLSLIFT_ADMIN_SERVICE_HOST": "10.0.0.2",
	}
	if _, err := loadWith(links, ""); err == nil {
		t.Error("outside of a pod they were taken")
	}
	links["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
	if _, err := loadWith(links, ""); err != nil {
		t.Error(err)
	}
	links["TLSLIFT_LISTN"] = "x"
	if _, err := loadWith(links, ""); err == nil {
		t.Error("an unknown name was taken in a pod")
	}
}

func TestStateDir(t *testing.T) {
	t.Parallel()
	tests := []struct {
		goos    string
		environ map[string]string
		want    string
	}{
		{"linux", map[string]string{"STATE_DIRECTORY": "/var/lib/tlslift:/x", "HOME": "/root"}, "/var/lib/tlslift"},
		{"linux", map[string]string{"XDG_STATE_HOME": "/s", "HOME": "/home/u"}, "/s/tlslift"},
		{"linux", map[string]string{"XDG_STATE_HOME": "s", "HOME": "/home/u"}, "/home/u/.local/state/tlslift"},
		{"freebsd", map[string]string{"HOME": "/home/u"}, "/home/u/.local/state/tlslift"},
		{"darwin", map[string]string{"HOME": "/Users/u"}, "/Users/u/Library/Application Support/tlslift"},
		{"windows", map[string]string{"LOCALAPPDATA": "/AppData/Local"}, "/AppData/Local/tlslift"},
		{"windows", map[string]string{"HOME": "/x"}, ""},
		{"linux", nil, ""},
	}
	for _, test := range tests {
		if got := stateDir(test.goos, test.environ); got != test.want {
			t.Errorf("%s %v: got %q, want %q", test.goos, test.environ, got, test.want)
		}
	}
}
