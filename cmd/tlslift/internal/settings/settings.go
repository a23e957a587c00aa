// Package settings has the settings of tlslift: their names, defaults and
// meaning, where they come from, and their values, parsed and checked.
//
// It refuses unknown names and values that it cannot read: nothing that an operator
// wrote is silently without effect.
package settings

import (
	"net/url"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
)

// Prefix begins the name of every setting.
const Prefix = "TLSLIFT_"

// A Config has every setting, parsed and checked.
//
// This is the one place where a setting is added: a field here, with its name in
// the tag, and a row of that name in table below, in the same position.
// TestFieldsMatchRows fails while one of the two is missing. Then
// `go test ./cmd/tlslift -update` writes the setting into the documents and the
// example of an env file. A kind of value that has no type yet gets one in
// values.go.
type Config struct {
	Listen           list[listener.URL, *listener.URL]       `env:"LISTEN"`
	AdminListen      Address                                 `env:"ADMIN_LISTEN"`          // empty: off
	AdminWebConfig   string                                  `env:"ADMIN_WEB_CONFIG_FILE"` // empty: plain HTTP
	AdminUser        string                                  `env:"ADMIN_USER"`            // empty: none
	AdminPassFile    string                                  `env:"ADMIN_PASSWORD_FILE"`   // empty: none
	AdminHosts       list[hostName, *hostName]               `env:"ADMIN_HOSTS"`
	PublicListen     Address                                 `env:"PUBLIC_LISTEN"` // empty: off
	StateDir         string                                  `env:"STATE_DIR"`
	Sandbox          truth                                   `env:"SANDBOX"`
	Instance         m365.Instance                           `env:"M365_INSTANCE"`
	Refresh          truth                                   `env:"M365_REFRESH"`
	ClientNets       networks                                `env:"CLIENT_NETS"`
	TrustedProxies   networks                                `env:"TRUSTED_PROXIES"`
	Destinations     list[policy.Endpoint, *policy.Endpoint] `env:"DESTINATIONS"`
	ConnectTo        connections                             `env:"CONNECT_TO"`
	UpstreamCAFile   string                                  `env:"UPSTREAM_CA_FILE"`   // empty: the system's roots
	UpstreamCert     string                                  `env:"UPSTREAM_CERT_FILE"` // empty: none
	UpstreamKey      string                                  `env:"UPSTREAM_KEY_FILE"`
	UpstreamCertTo   list[policy.Endpoint, *policy.Endpoint] `env:"UPSTREAM_CERT_DESTINATIONS"`
	UpstreamProxy    *url.URL                                `env:"UPSTREAM_PROXY"` // nil: none
	UpstreamMark     Mark                                    `env:"UPSTREAM_MARK"`
	Ciphers          list[cipher, *cipher]                   `env:"CIPHERS"`
	DHBits           dhLength                                `env:"DH_BITS"`
	LeafKeyType      leafKeyType                             `env:"LEAF_KEY_TYPE"`
	ClientsFile      string                                  `env:"CLIENTS_FILE"` // empty: none
	SignInFile       string                                  `env:"SIGNIN_FILE"`  // empty: none
	CriticalCA       truth                                   `env:"CA_CRITICAL_CONSTRAINTS"`
	CANames          caNames                                 `env:"CA_NAMES"`
	CARotation       rotation                                `env:"CA_ROTATION"`
	CRLURL           baseURL                                 `env:"CRL_URL"`          // empty: leaves name no list
	TicketKeysFile   string                                  `env:"TICKET_KEYS_FILE"` // empty: one in the state directory
	MaxConns         count                                   `env:"MAX_CONNECTIONS"`
	MaxConnsClient   count                                   `env:"MAX_CONNECTIONS_PER_CLIENT"`
	ClientIPv6Prefix prefixLength                            `env:"CLIENT_IPV6_PREFIX"`
	HandshakeTimeout timeout                                 `env:"HANDSHAKE_TIMEOUT"`
	IdleTimeout      timeout                                 `env:"IDLE_TIMEOUT"`
	IMAPIdleTimeout  timeout                                 `env:"IMAP_IDLE_TIMEOUT"`
	DrainTimeout     timeout                                 `env:"DRAIN_TIMEOUT"`
	ProbeInterval    interval                                `env:"PROBE_INTERVAL"` // 0: no probes
	MetricsClients   count                                   `env:"METRICS_MAX_CLIENTS"`
	ClientExpiry     expiry                                  `env:"CLIENT_EXPIRY"` // 0: never forgotten
	ReverseDNS       truth                                   `env:"REVERSE_DNS"`
	LogLevel         logLevel                                `env:"LOG_LEVEL"`
	LogFormat        logFormat                               `env:"LOG_FORMAT"`
}

// A setting is one row of the documentation of Config.
type setting struct {
	name    string              // without the prefix, the same as in the tag of the field
	def     string              // the default; empty if there is none or it depends on the machine
	defText string              // what the documentation says of a default that is not def
	defOf   func(Source) string // returns a default that depends on the machine; nil if def is the default
	meaning string              // one paragraph; code stands between backquotes
	remedy  string              // completes "write …"

	emptyCounts bool // an empty value is a value, and not the same as none
	secret      bool // a URL whose user and password are never shown
	atStart     bool // a change has no effect before the next start
}

// table has all settings, in the order of Config and of the documentation.
var table = []setting{
	{
		name: "LISTEN", atStart: true, def: "proxy://127.0.0.1:3128,smtp://127.0.0.1:2587",
		meaning: "listener URLs, comma-separated: `proxy://` is an HTTP proxy; `smtp://`, `imap://` and `pop3://` take STARTTLS " +
			"or implicit TLS, `smtps://`, `imaps://` and `pop3s://` only implicit TLS; `tls://` takes implicit TLS for " +
			"`?to=host:port`, or else for the client's server name; `redirect://` and `tproxy://` (Linux) take connections " +
			"that a firewall redirects",
		remedy: "listener URLs, comma-separated, for example " +
			"proxy://127.0.0.1:3128,smtp://:587,tls://:8443?to=outlook.office365.com:443",
	},
	{
		name: "ADMIN_LISTEN", atStart: true, def: "127.0.0.1:9465", emptyCounts: true,
		meaning: "address of the status page, the CA certificate, /proxy.pac, the API, /metrics, /healthz and /readyz; an empty " +
			"value turns it off",
		remedy: "an address and port, for example 127.0.0.1:9465, or nothing to turn it off",
	},
	{
		name: "ADMIN_WEB_CONFIG_FILE", atStart: true,
		meaning: "file with TLS and passwords for that address, in the web configuration format of Prometheus (exporter-toolkit); " +
			"without it the address serves plain HTTP to everyone who can reach it",
		remedy: "the path of a readable file with tls_server_config, basic_auth_users or both",
	},
	{
		name: "ADMIN_USER",
		meaning: "user of that address, one of those in basic_auth_users, by whom the commands `clients`, `watch` and `healthcheck` " +
			"sign in; `serve` has no use for it",
		remedy: "the name of a user, and the path of a file with the password in " + Prefix + "ADMIN_PASSWORD_FILE",
	},
	{
		name: "ADMIN_PASSWORD_FILE",
		meaning: "file with the password of that user, as one line, which nobody but its owner and group may read; a command reads it " +
			"when it is asked for a password, and sends it over TLS or within the machine only; where others can log in, use TLS",
		remedy: "the path of a readable file, and the name of its user in " + Prefix + "ADMIN_USER",
	},
	{
		name: "ADMIN_HOSTS", atStart: true,
		meaning: "host names by which browsers and programs may ask that address, besides `localhost`, IP addresses, names without a dot, " +
			"the machine's own name and those of its certificate; other names are refused, since a web site can make a browser ask under its own",
		remedy: "host names, comma-separated, for example tlslift.example.com",
	},
	{
		name: "PUBLIC_LISTEN", atStart: true,
		meaning: "address where everybody may fetch the CA certificate (/ca) and /proxy.pac, by plain HTTP, and nothing else, so that " +
			"the address of the status page need not be open to devices; none by default",
		remedy: "an address and port, for example :8080",
	},
	{
		name: "STATE_DIR", atStart: true,
		defText: "`$STATE_DIRECTORY` under systemd, else `tlslift` in the user's state directory", defOf: stateDirDefault,
		meaning: "directory of the CA and of the saved state, such as the clients; it is created if it is missing, and only its " +
			"owner may read it",
		remedy: "a directory that only tlslift may read, for example /var/lib/tlslift",
	},
	{
		name: "SANDBOX", atStart: true, def: "true",
		meaning: "`true` leaves the running tlslift only the files of its configuration and its state, and the ports of destinations, " +
			"where the system has Landlock (Linux 5.13 and later; ports from 6.7); `false` leaves it all that its user may do",
		remedy: "true or false",
	},
	{
		name: "M365_INSTANCE", atStart: true, def: "worldwide",
		meaning: "instance of Microsoft 365 whose hosts and ports clients may reach: `worldwide`, `gcchigh`, `dod` or `china`",
		remedy:  "worldwide, gcchigh, dod or china",
	},
	{
		name: "M365_REFRESH", atStart: true, def: "false",
		meaning: "`true` asks Microsoft's endpoints web service, at most once an hour, for changed hosts and ports; `false` uses " +
			"the list that is built into tlslift",
		remedy: "true or false",
	},
	{
		name: "CLIENT_NETS", def: "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,fe80::/10",
		meaning: "networks that clients may connect from",
		remedy:  "networks or addresses, comma-separated, for example 192.168.0.0/16,fd00::/8",
	},
	{
		name:    "TRUSTED_PROXIES",
		meaning: "networks of load balancers, whose connections begin with a PROXY protocol header (v1 or v2)",
		remedy:  "networks or addresses, comma-separated, for example 10.0.0.5,10.0.1.0/24",
	},
	{
		name:    "DESTINATIONS",
		meaning: "host patterns with ports that clients may reach besides Microsoft 365, for example `*.example.com:443`",
		remedy:  "host:port pairs, comma-separated, for example mail.example.com:587,*.example.com:443",
	},
	{
		name: "CONNECT_TO",
		meaning: "`host:port=addr:port` pairs: for the destination host:port, tlslift connects to addr:port; the certificate is still " +
			"checked for host",
		remedy: "pairs, comma-separated, for example outlook.office365.com:443=10.1.2.3:8443",
	},
	{
		name: "UPSTREAM_CA_FILE", defText: "the system's",
		meaning: "PEM file of the root certificates that destinations are verified with",
		remedy:  "the path of a readable PEM file",
	},
	{
		name:    "UPSTREAM_CERT_FILE",
		meaning: "PEM file of the client certificate that tlslift shows to destinations that ask for one",
		remedy:  "the path of a readable PEM file, and that of its key in " + Prefix + "UPSTREAM_KEY_FILE",
	},
	{
		name:    "UPSTREAM_KEY_FILE",
		meaning: "PEM file of that certificate's private key",
		remedy:  "the path of a readable PEM file, and that of its certificate in " + Prefix + "UPSTREAM_CERT_FILE",
	},
	{
		name:    "UPSTREAM_CERT_DESTINATIONS",
		meaning: "host patterns with ports to which tlslift shows that certificate, for example `*.mail.protection.outlook.com:25`",
		remedy:  "host:port pairs, comma-separated, for example contoso-com.mail.protection.outlook.com:25",
	},
	{ //nolint:gosec // the password of an example
		name: "UPSTREAM_PROXY", secret: true,
		meaning: "`http://` or `https://` URL of the proxy through which tlslift reaches destinations",
		remedy:  "a URL, for example http://user:password@proxy.example.com:3128",
	},
	{
		name: "UPSTREAM_MARK", def: "auto",
		meaning: "firewall mark (`SO_MARK`, Linux) of tlslift's own connections, so that redirecting rules can exempt them; `auto` " +
			"is `0x746c` if there is a `redirect://` or `tproxy://` listener and the system permits it; `0` means no mark",
		remedy: "auto, 0, or a number up to 0xffffffff",
	},
	{
		name: "CIPHERS", def: "aes,3des",
		meaning: "legacy cipher suites that clients may use: `aes` and `3des` are always on, `rc4` adds RC4, `des` adds single DES",
		remedy:  "aes, 3des, rc4 and des, comma-separated",
	},
	{
		name: "DH_BITS", def: "1024",
		meaning: "size in bits of the group for clients that have only DHE key exchange: `1024` or `2048`; Java 6 and 7 cannot use " +
			"`2048`",
		remedy: "1024 or 2048",
	},
	{
		name: "LEAF_KEY_TYPE", def: "auto",
		meaning: "which clients get a certificate with an ECDSA key, which costs tlslift less, in place of an RSA key: `auto` means those " +
			"with TLS 1.2 or newer that say that they can verify it; `ecdsa` all that offer ECDHE-ECDSA with P-256, also older ones, " +
			"some of which refuse it; `rsa` none; who can do with one kind only gets that",
		remedy: "auto, rsa or ecdsa",
	},
	{
		name:    "CLIENTS_FILE",
		meaning: "YAML file with options for single clients: name, destination, plaintext, ciphers, leaf; SIGHUP reads it again",
		remedy:  "the path of a readable YAML file",
	},
	{
		name: "SIGNIN_FILE",
		meaning: "YAML file with the mailboxes at which tlslift signs in with OAuth 2.0 for clients that know only a password, and who " +
			"may use them; only its owner may read it; SIGHUP reads it again",
		remedy: "the path of a readable YAML file of mode 0600",
	},
	{
		name: "CA_CRITICAL_CONSTRAINTS", atStart: true, def: "false",
		meaning: "`true` marks the name constraints of a new CA critical: safer, but devices with OpenSSL 0.9.8 then reject it",
		remedy:  "true or false",
	},
	{
		name: "CA_NAMES", atStart: true, def: "all",
		meaning: "hosts that a new CA may sign for: `all` of those that clients may reach through TLS, or only those with ports of `mail`: " +
			"some small devices cannot read a CA certificate with as many names as `all`",
		remedy: "all or mail",
	},
	{
		name: "CA_ROTATION", def: "old",
		meaning: "which CA signs during a rotation (`tlslift ca rotate`) for clients whose entry in the clients file does not say: " +
			"`old`, which they trust already, or `new`",
		remedy: "old or new",
	},
	{
		name: "CRL_URL", atStart: true,
		meaning: "`http://` URL at which devices reach the public address, for example `http://tlslift.example.com:8080`; certificates for " +
			"clients and those of devices (`tlslift ca issue`) then name the revocation list there; without it they name none, which suits " +
			"most clients: " +
			"a list that cannot be reached is worse than none",
		remedy: "a URL, for example http://tlslift.example.com:8080, at which devices reach " + Prefix + "PUBLIC_LISTEN",
	},
	{
		name: "TICKET_KEYS_FILE", atStart: true, defText: "`ticket.keys` in the state directory",
		meaning: "file of the keys of session tickets, which replicas of tlslift share to resume each other's sessions; a new key is " +
			"written into it each day, unless somebody else does; only the owner may write to it",
		remedy: "the path of a file that all replicas read",
	},
	{
		name: "MAX_CONNECTIONS", atStart: true, def: "10000",
		meaning: "how many connections may be open at the same time; fewer, with a warning at the start, if the system's limit of " +
			"open files permits no more: a connection takes two, and everything else 832",
		remedy: "a whole number above zero",
	},
	{
		name: "MAX_CONNECTIONS_PER_CLIENT", def: "200",
		meaning: "how many of them may be from one client: an IPv4 address, or an IPv6 network",
		remedy:  "a whole number above zero",
	},
	{
		name: "CLIENT_IPV6_PREFIX", atStart: true, def: "64",
		meaning: "how many bits of an IPv6 address count as one client in all limits, since one host may take any number of " +
			"addresses in its network; 127.0.0.0/8 is one client as well, and each client that the clients file names counts " +
			"by itself",
		remedy: "a whole number from 1 to 128",
	},
	{
		name: "HANDSHAKE_TIMEOUT", def: "30s",
		meaning: "how long each step of a connection may take before bytes are relayed; a mail client has 5 minutes for each command " +
			"before TLS, and 10 minutes for all of them; a passed client, which may ask a person for the PIN of a certificate, has " +
			"5 minutes for its part of the handshake",
		remedy: "a time with its unit, for example 30s",
	},
	{
		name: "IDLE_TIMEOUT", def: "10m",
		meaning: "how long a connection may be idle before it is closed: the time in which no byte arrives on either side",
		remedy:  "a time with its unit, for example 10m",
	},
	{
		name: "IMAP_IDLE_TIMEOUT", def: "30m",
		meaning: "the same for IMAP, whose clients wait for new mail, if it is longer than `TLSLIFT_IDLE_TIMEOUT`; RFC 9051 asks " +
			"for 30 minutes at least",
		remedy: "a time with its unit, for example 30m",
	},
	{
		name: "DRAIN_TIMEOUT", def: "30s",
		meaning: "how long open connections may continue after a stop signal",
		remedy:  "a time with its unit, for example 30s",
	},
	{
		name: "PROBE_INTERVAL", atStart: true, def: "0",
		meaning: "how often tlslift opens a verified TLS connection of its own to each destination in use, so that the status page, the " +
			"metrics and an alert tell of a destination that cannot be reached before a client needs it; `0` means never, `5m` is often enough",
		remedy: "a time with its unit from 10s on, for example 5m, or 0 for no probes",
	},
	{
		name: "METRICS_MAX_CLIENTS", atStart: true, def: "2000",
		meaning: "how many clients that the clients file does not name have metrics of their own; the others share `client=\"other\"`",
		remedy:  "a whole number above zero",
	},
	{
		name: "CLIENT_EXPIRY", atStart: true, def: "720h",
		meaning: "how long an inactive client is kept, in the metrics and on the status page; `0` means never forgotten",
		remedy:  "a time with its unit, for example 720h, or 0 to never forget a client",
	},
	{
		name: "REVERSE_DNS", atStart: true, def: "false",
		meaning: "`true` asks the machine's name servers for the names of clients, each at most once a day, or once an hour if the clients " +
			"file has its `host`",
		remedy: "true or false",
	},
	{
		name: "LOG_LEVEL", def: "info",
		meaning: "lowest level of log lines that are written: `debug`, `info`, `warn` or `error`",
		remedy:  "debug, info, warn or error",
	},
	{
		name: "LOG_FORMAT", atStart: true, defText: "`text` on a terminal, else `json`", defOf: logFormatDefault,
		meaning: "format of the log lines on standard error: `text` or `json`",
		remedy:  "text or json",
	},
}

// names returns the full names, in the order of table.
func names() []string {
	all := make([]string, len(table))
	for i, row := range table {
		all[i] = Prefix + row.name
	}
	return all
}
