package settings

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// sourceOf returns a source with a home directory.
func sourceOf(environ map[string]string, envFile string) Source {
	all := map[string]string{"HOME": "/home/user", "LOCALAPPDATA": `C:\user`}
	maps.Copy(all, environ)
	return Source{Environ: all, EnvFile: envFile}
}

func loadWith(environ map[string]string, envFile string) (*Config, error) {
	return sourceOf(environ, envFile).Load()
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t *testing.T, environ map[string]string) *Config {
	t.Helper()
	cfg, err := loadWith(environ, "")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestFieldsMatchRows: each field of Config has its row in table, and the other
// way round, in the same order.
func TestFieldsMatchRows(t *testing.T) {
	t.Parallel()
	var fields, rows []string
	for field := range reflect.TypeFor[Config]().Fields() {
		name := field.Tag.Get("env")
		fields = append(fields, name)
		if !slices.ContainsFunc(table, func(row setting) bool { return row.name == name }) {
			t.Errorf("the field %s of Config has the tag env:%q, but table has no row with that name: add one", field.Name, name)
		}
	}
	for _, row := range table {
		rows = append(rows, row.name)
		if !slices.Contains(fields, row.name) {
			t.Errorf("table has the row %q, but Config has no field with the tag env:%[1]q: add one", row.name)
		}
		if row.meaning == "" || row.remedy == "" || strings.ContainsAny(row.meaning, "|\n") {
			t.Errorf("the row %q needs a meaning and a remedy, in one line and without |: it has %q and %q", row.name, row.meaning, row.remedy)
		}
	}
	if !t.Failed() && !slices.Equal(fields, rows) {
		t.Errorf("the fields of Config and the rows of table have another order:\n%v\n%v", fields, rows)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, nil)
	if fmt.Sprint(cfg.Listen) != "[proxy://127.0.0.1:3128 smtp://127.0.0.1:2587]" || cfg.AdminListen != "127.0.0.1:9465" {
		t.Errorf("listens on %v and %v", cfg.Listen, cfg.AdminListen)
	}
	if len(cfg.ClientNets) != 7 || cfg.TrustedProxies != nil || cfg.Destinations != nil || cfg.UpstreamProxy != nil ||
		bool(cfg.CriticalCA) || slices.Contains(cfg.Ciphers, CipherRC4) || cfg.MaxConns != 10000 || cfg.MaxConnsClient != 200 {
		t.Errorf("got %+v", cfg)
	}
	if time.Duration(cfg.HandshakeTimeout) != 30*time.Second || time.Duration(cfg.IdleTimeout) != 10*time.Minute {
		t.Errorf("got timeouts %v, %v", cfg.HandshakeTimeout, cfg.IdleTimeout)
	}
}

func TestEmptyValues(t *testing.T) {
	t.Parallel()
	empty := map[string]string{}
	for _, name := range names() {
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
	if got := fmt.Sprint(cfg.ClientNets); got != "[10.0.0.0/8 192.0.2.1/32 fd00::/8 2001:db8::1/128]" {
		t.Errorf("got networks %s", got)
	}
	if !slices.Contains(cfg.Ciphers, CipherRC4) || cfg.ConnectTo["mail.example.com:443"] != "10.0.0.1:8443" ||
		cfg.Instance != "gcchigh" || !bool(cfg.Refresh) || cfg.LogFormat != LogJSON || cfg.MaxConns != 7 {
		t.Errorf("got %+v", cfg)
	}
	if password, _ := cfg.UpstreamProxy.User.Password(); password != "hunter2" || cfg.UpstreamProxy.Host != "proxy.example.com:3128" {
		t.Errorf("got egress proxy %+v", cfg.UpstreamProxy)
	}
}

// badValues has at least one for each setting that can be wrong by itself.
var badValues = map[string][]string{
	"LISTEN": {"3128", "ftp://:25", "smtp://:25?plaintext=maybe", "proxy://127.0.0.1", "tls://:1?too=x",
		"tls://:8443?to=www.example.com:443", "redirect://:3129?sni=www.example.com", ","},
	"ADMIN_LISTEN":               {"9465", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "http://127.0.0.1:1", "*:9465"},
	"M365_INSTANCE":              {"mars"},
	"M365_REFRESH":               {"hourly"},
	"CLIENT_NETS":                {"10.0.0.0/33", "printer", "fe80::1%eth0", "::ffff:10.0.0.0/104", ","},
	"TRUSTED_PROXIES":            {"10.0.0"},
	"DESTINATIONS":               {"mail.example.com", "*:443", "10.0.0.1:443"},
	"CONNECT_TO":                 {"mail.example.com", "mail=10.0.0.1:443", "mail:443=10.0.0.1", "a:1=b:1,a:1=c:1"},
	"UPSTREAM_CERT_DESTINATIONS": {"mail.example.com", "*:25", "10.0.0.1:25"},
	"UPSTREAM_PROXY":             {"proxy:3128", "socks5://proxy:1080", "http://", "http://proxy/path"},
	"UPSTREAM_MARK":              {"own", "-1", "0x100000000", "0xg"},
	"CIPHERS":                    {"idea", "aes;rc4"},
	"DH_BITS":                    {"512", "1024bit", "-2048"},
	"LEAF_KEY_TYPE":              {"ec", "dsa", "rsa,ecdsa"},
	"CA_CRITICAL_CONSTRAINTS":    {"maybe"},
	"CA_NAMES":                   {"none", "smtp"},
	"CA_ROTATION":                {"both", "olde"},
	"CRL_URL":                    {"https://a.example", "tlslift.example.com:8080", "http://", "http://a/#b"},
	"MAX_CONNECTIONS":            {"0", "-1", "many", "1.5", "99999999999"},
	"MAX_CONNECTIONS_PER_CLIENT": {"0"},
	"CLIENT_IPV6_PREFIX":         {"0", "129", "/64", "-1", "300"},
	"HANDSHAKE_TIMEOUT":          {"30", "0s", "-1s", "soon"},
	"IDLE_TIMEOUT":               {"0"},
	"IMAP_IDLE_TIMEOUT":          {"0"},
	"DRAIN_TIMEOUT":              {"10"},
	"CLIENT_EXPIRY":              {"30", "-1h", "never"},
	"PROBE_INTERVAL":             {"-5m", "5s", "often"},
	"REVERSE_DNS":                {"2"},
	"METRICS_MAX_CLIENTS":        {"0"},
	"LOG_LEVEL":                  {"info+2", "trace"},
	"LOG_FORMAT":                 {"xml"},
}

// remediedValues are those of badValues whose error says itself what to write.
var remediedValues = []string{"512", "1024bit", "-2048", "30", "10"}

func TestBadValues(t *testing.T) {
	t.Parallel()
	for _, s := range table {
		for _, bad := range badValues[s.name] {
			_, err := loadWith(map[string]string{Prefix + s.name: bad}, "")
			if err == nil {
				t.Errorf("%s=%s was taken", s.name, bad)
				continue
			}
			line := err.Error()
			value := strings.FieldsFunc(bad, func(r rune) bool { return strings.ContainsRune(",=?", r) })
			if !strings.HasPrefix(line, Prefix+s.name+": ") || strings.Contains(line, "\n") ||
				!strings.HasSuffix(line, " (write "+s.remedy+")") && !slices.Contains(remediedValues, bad) ||
				len(value) > 0 && !strings.Contains(line, value[0]) {
				t.Errorf("%s=%s: got %q", s.name, bad, line)
			}
		}
	}
}

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ setting, value, want string }{
		{"HANDSHAKE_TIMEOUT", "30", `"30" has no unit; write 30s`},
		{"HANDSHAKE_TIMEOUT", "0", `"0" is not above zero (write a time with its unit, for example 30s)`},
		{"IDLE_TIMEOUT", "-1s", `"-1s" is not above zero (write a time with its unit, for example 10m)`},
		{"IDLE_TIMEOUT", "soon", `"soon" is not a time (write a time with its unit, for example 10m)`},
		{"CLIENT_EXPIRY", "30", `"30" has no unit; write 30s`},
		{"PROBE_INTERVAL", "5s", `"5s" is less than 10s (write a time with its unit from 10s on, for example 5m, or 0 for no probes)`},
		{"CLIENT_EXPIRY", "-1h", `"-1h" is below zero (write a time with its unit, for example 720h, or 0 to never forget a client)`},
		{"LEAF_KEY_TYPE", "ec", `"ec" is no kind of key (write auto, rsa or ecdsa)`},
		{"DH_BITS", "512", `"512" is not supported; use 1024 or 2048`},
		{"CRL_URL", "http://u:hunter2@a.example", "a URL for devices has no user and no @ (write a URL, for example " +
			"http://tlslift.example.com:8080, at which devices reach TLSLIFT_PUBLIC_LISTEN)"},
		{"MAX_CONNECTIONS", "0", `"0" is not a whole number from 1 to 2147483647 (write a whole number above zero)`},
		{"UPSTREAM_MARK", "own", `"own" is neither auto nor a number from 0 to 0xffffffff (write auto, 0, or a number up to 0xffffffff)`},
		{"CLIENT_NETS", "::ffff:10.0.0.0/104", `"::ffff:10.0.0.0/104" is an IPv4 network in IPv6 form (write ` +
			`networks or addresses, comma-separated, for example 192.168.0.0/16,fd00::/8)`},
	} {
		_, err := loadWith(map[string]string{Prefix + test.setting: test.value}, "")
		if want := Prefix + test.setting + ": " + test.want; err == nil || err.Error() != want {
			t.Errorf("%s=%s: got %v, want %s", test.setting, test.value, err, want)
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
		"TLSLIFT_STATE_DIR: it has no default here, because the environment has no home directory (write ",
		`TLSLIFT_CLIENT_NETS: "a" is not a network; "b" is not a network (write `,
		`TLSLIFT_UPSTREAM_CERT_FILE: it is missing, but TLSLIFT_UPSTREAM_KEY_FILE is "key.pem" (write `,
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
	want := `TLSLIFT_UPSTREAM_KEY_FILE: it is missing, but TLSLIFT_UPSTREAM_CERT_FILE is "cert.pem" (write `
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}
