package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// prefix begins the name of every setting.
const prefix = "TLSLIFT_"

// A setting is one row of the documentation. What it is in Config is found by
// the name.
type setting struct {
	name    string // without the prefix
	def     string // the default; empty if there is none or it depends on the machine
	defText string // what the documentation says of a default that is not def
	meaning string // one line
	remedy  string // completes "write …"
}

// settings are all settings, in the order of the documentation.
var settings = []setting{
	{name: "LISTEN", def: "proxy://127.0.0.1:3128,smtp://127.0.0.1:2587", meaning: "listener URLs, comma-separated: `proxy://` is an HTTP proxy; `smtp://`, `imap://` and `pop3://` take STARTTLS or TLS at once, `smtps://`, `imaps://` and `pop3s://` only TLS at once; `tls://` expects TLS at once and goes by `?to=host:port` or the client's server name; `redirect://` and `tproxy://` (Linux) take what a firewall redirects", remedy: "listener URLs, comma-separated, as in proxy://127.0.0.1:3128,smtp://:587,tls://:8443?to=outlook.office365.com:443"},
	{name: "ADMIN_LISTEN", def: "127.0.0.1:9465", meaning: "address of the status page, the CA certificate, /proxy.pac, the API, /metrics, /healthz and /readyz; empty turns it off", remedy: "an address and port, as in 127.0.0.1:9465, or nothing to turn it off"},
	{name: "ADMIN_WEB_CONFIG_FILE", meaning: "web configuration file of Prometheus (exporter-toolkit) with TLS and passwords for that address; empty is plain HTTP for everyone who reaches it", remedy: "the path of a readable file with tls_server_config, basic_auth_users or both"},
	{name: "STATE_DIR", defText: "`$STATE_DIRECTORY` under systemd, else `tlslift` in the user's state directory", meaning: "directory of the CA and of what is known of clients; it is created, and only its owner may read it", remedy: "a directory that only tlslift may read, as in /var/lib/tlslift"},
	{name: "M365_INSTANCE", def: "worldwide", meaning: "whose hosts and ports clients may reach: `worldwide`, `gcchigh`, `dod` or `china`", remedy: "worldwide, gcchigh, dod or china"},
	{name: "M365_REFRESH", def: "false", meaning: "`true` asks Microsoft's endpoints web service, at most hourly, which hosts and ports have changed; `false` uses the list that tlslift was built with", remedy: "true or false"},
	{name: "CLIENT_NETS", def: "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,fe80::/10", meaning: "networks that may connect", remedy: "networks or addresses, comma-separated, as in 192.168.0.0/16,fd00::/8"},
	{name: "TRUSTED_PROXIES", meaning: "networks of load balancers, whose connections begin with a PROXY protocol header (v1 or v2)", remedy: "networks or addresses, comma-separated, as in 10.0.0.5,10.0.1.0/24"},
	{name: "DESTINATIONS", meaning: "host patterns with port that clients may reach besides Microsoft 365, as in `*.example.com:443`", remedy: "host:port pairs, comma-separated, as in mail.example.com:587,*.example.com:443"},
	{name: "CONNECT_TO", meaning: "`host:port=addr:port` pairs: where a destination is dialled instead; its certificate is still checked for host", remedy: "pairs, comma-separated, as in outlook.office365.com:443=10.1.2.3:8443"},
	{name: "UPSTREAM_CA_FILE", defText: "the system's", meaning: "PEM file of the root certificates that destinations are verified with", remedy: "the path of a readable PEM file"},
	{name: "UPSTREAM_CERT_FILE", meaning: "PEM file of the client certificate shown to destinations that ask for one", remedy: "the path of a readable PEM file, and the key's in " + prefix + "UPSTREAM_KEY_FILE"},
	{name: "UPSTREAM_KEY_FILE", meaning: "PEM file of that certificate's private key", remedy: "the path of a readable PEM file, and the certificate's in " + prefix + "UPSTREAM_CERT_FILE"},
	{name: "UPSTREAM_PROXY", meaning: "`http://` or `https://` URL of the proxy through which destinations are reached", remedy: "a URL, as in http://user:password@proxy.example.com:3128"}, //nolint:gosec // the password of an example
	{name: "UPSTREAM_MARK", def: "auto", meaning: "firewall mark (`SO_MARK`, Linux) on tlslift's own connections, so that redirecting rules can leave them alone; `auto` is `0x746c` where a `redirect://` or `tproxy://` listener is configured and the system permits it, `0` none", remedy: "auto, 0, or a number up to 0xffffffff"},
	{name: "CIPHERS", def: "aes,3des", meaning: "legacy cipher suites offered to clients: `aes` and `3des` are always on, `rc4` adds RC4, and `des` single DES", remedy: "aes, 3des, rc4 and des, comma-separated"},
	{name: "DH_BITS", def: "1024", meaning: "length of the group for clients that know only DHE key exchange: `1024` or `2048`, on which Java 6 and 7 break", remedy: "1024 or 2048"},
	{name: "CLIENTS_FILE", meaning: "YAML file of what is different for single clients: name, plaintext, ciphers, leaf; read again on SIGHUP", remedy: "the path of a readable YAML file"},
	{name: "CA_CRITICAL_CONSTRAINTS", def: "false", meaning: "marks the name constraints of a new CA critical: safer, but devices with OpenSSL 0.9.8 then reject it", remedy: "true or false"},
	{name: "MAX_CONNECTIONS", def: "10000", meaning: "connections at the same time", remedy: "a whole number above zero"},
	{name: "MAX_CONNECTIONS_PER_CLIENT", def: "200", meaning: "connections at the same time from one client", remedy: "a whole number above zero"},
	{name: "HANDSHAKE_TIMEOUT", def: "30s", meaning: "how long each step may take until bytes are relayed", remedy: "a time with its unit, as in 30s"},
	{name: "IDLE_TIMEOUT", def: "10m", meaning: "how long a connection may move no bytes", remedy: "a time with its unit, as in 10m"},
	{name: "DRAIN_TIMEOUT", def: "30s", meaning: "how long open connections may go on after a stop", remedy: "a time with its unit, as in 30s"},
	{name: "METRICS_MAX_CLIENTS", def: "2000", meaning: "clients with metrics of their own; the rest share `client=\"other\"`", remedy: "a whole number above zero"},
	{name: "CLIENT_EXPIRY", def: "720h", meaning: "how long a client is kept, in the metrics and in what is known of clients, that does not connect; `0` is for good", remedy: "a time with its unit, as in 720h, or 0 for good"},
	{name: "REVERSE_DNS", def: "false", meaning: "`true` asks the machine's name servers for the names of clients, each at most once a day", remedy: "true or false"},
	{name: "LOG_LEVEL", def: "info", meaning: "`debug`, `info`, `warn` or `error`", remedy: "debug, info, warn or error"},
	{name: "LOG_FORMAT", defText: "`text` on a terminal, else `json`", meaning: "`text` or `json`, on standard error", remedy: "text or json"},
}

// settingNames are the full names, in the order of settings.
func settingNames() []string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = prefix + s.name
	}
	return names
}

// A value is the text of a setting.
type value struct {
	text   string
	origin string // as in "default"
}

// shown is what may be printed of a value.
func (s setting) shown(text string) string {
	if s.name == "UPSTREAM_PROXY" {
		return redactURL(text)
	}
	return text
}

// redactURL hides user and password. It goes by the last @ instead of parsing,
// so that it also works for what is not a URL.
func redactURL(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return s
	}
	scheme := ""
	if i := strings.Index(s[:at], "://"); i >= 0 {
		scheme = s[:i+len("://")]
	}
	return scheme + "xxxxx" + s[at:]
}

// values finds the text of every setting, by full name. The environment wins
// over the env file, so that one setting can be tried out without editing it.
// An empty value is the same as none, but for ADMIN_LISTEN.
func (p *program) values() (map[string]value, problems) {
	all, wrong := p.given()
	for _, s := range settings {
		v, ok := all[prefix+s.name]
		if !ok || v.text == "" && s.name != "ADMIN_LISTEN" {
			all[prefix+s.name] = value{p.defaultOf(s), "default"}
		}
	}
	return all, wrong
}

// given returns what the env file and the environment set.
func (p *program) given() (map[string]value, problems) {
	all := map[string]value{}
	wrong := p.addEnvFile(all)
	for name, text := range p.environ {
		if !strings.HasPrefix(strings.ToUpper(name), prefix) || p.fromKubernetes(name) {
			continue
		}
		if !slices.Contains(settingNames(), name) {
			wrong = append(wrong, unknown(name, ""))
			continue
		}
		all[name] = value{text, "environment"}
	}
	return all, wrong
}

func (p *program) addEnvFile(all map[string]value) problems {
	if p.envFile == "" {
		return nil
	}
	assignments, err := readEnvFile(p.envFile)
	var wrong problems
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			wrong = append(wrong, problem{text: p.envFile + ": " + line})
		}
	}
	for _, a := range assignments {
		if !slices.Contains(settingNames(), a.name) {
			wrong = append(wrong, unknown(a.name, fmt.Sprintf("%s: line %d: ", p.envFile, a.line)))
			continue
		}
		all[a.name] = value{a.value, fmt.Sprintf("%s line %d", p.envFile, a.line)}
	}
	return wrong
}

// unknown is the problem of a name that is no setting. It does not show the
// value, which may be a secret.
func unknown(name, where string) problem {
	hint := "run `tlslift config` for the list"
	// What differs in the prefix, as in LISTEN, is near as well.
	long := prefix + strings.TrimPrefix(strings.ToUpper(name), prefix)
	if near := nearest(long, settingNames()); near != "" {
		hint = "did you mean " + near + "?"
	}
	return problem{text: where + name + " is not a setting; " + hint}
}

// serviceLink matches the variables that Kubernetes sets for services whose
// name begins with tlslift.
var serviceLink = regexp.MustCompile(
	`^TLSLIFT_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// fromKubernetes says whether it was Kubernetes, and not the operator, that
// set a variable.
func (p *program) fromKubernetes(name string) bool {
	_, inPod := p.environ["KUBERNETES_SERVICE_HOST"]
	return inPod && serviceLink.MatchString(name)
}

func (p *program) defaultOf(s setting) string {
	switch s.name {
	case "STATE_DIR":
		return stateDir(runtime.GOOS, p.environ)
	case "LOG_FORMAT":
		if isTerminal(p.stderr) {
			return "text"
		}
		return "json"
	}
	return s.def
}

// stateDir is the default of STATE_DIR, or empty if the environment does not
// tell. systemd lists the directories of a unit, of which ours is the first.
func stateDir(goos string, environ map[string]string) string {
	if dir, _, _ := strings.Cut(environ["STATE_DIRECTORY"], ":"); dir != "" && goos == "linux" {
		return dir
	}
	under := func(base string, elements ...string) string {
		if environ[base] == "" {
			return ""
		}
		return filepath.Join(append([]string{environ[base]}, elements...)...)
	}
	switch goos {
	case "windows":
		return under("LOCALAPPDATA", "tlslift")
	case "darwin":
		return under("HOME", "Library", "Application Support", "tlslift")
	}
	// The XDG base directory specification has relative paths ignored.
	if strings.HasPrefix(environ["XDG_STATE_HOME"], "/") {
		return under("XDG_STATE_HOME", "tlslift")
	}
	return under("HOME", ".local", "state", "tlslift")
}
