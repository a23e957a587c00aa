package main

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"

	"github.com/caarlos0/env/v11"

	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
)

// Config has every setting, parsed and checked. The settings table documents
// the fields by the name in their tag.
type Config struct {
	Listen           list[listener.URL, *listener.URL]       `env:"LISTEN"`
	AdminListen      address                                 `env:"ADMIN_LISTEN"`          // empty: off
	AdminWebConfig   string                                  `env:"ADMIN_WEB_CONFIG_FILE"` // empty: plain HTTP
	StateDir         string                                  `env:"STATE_DIR"`
	Instance         policy.Instance                         `env:"M365_INSTANCE"`
	Refresh          truth                                   `env:"M365_REFRESH"`
	ClientNets       list[network, *network]                 `env:"CLIENT_NETS"`
	TrustedProxies   list[network, *network]                 `env:"TRUSTED_PROXIES"`
	Destinations     list[policy.Endpoint, *policy.Endpoint] `env:"DESTINATIONS"`
	ConnectTo        connections                             `env:"CONNECT_TO"`
	UpstreamCAFile   string                                  `env:"UPSTREAM_CA_FILE"`   // empty: the system's roots
	UpstreamCert     string                                  `env:"UPSTREAM_CERT_FILE"` // empty: none
	UpstreamKey      string                                  `env:"UPSTREAM_KEY_FILE"`
	UpstreamProxy    *url.URL                                `env:"UPSTREAM_PROXY"` // nil: none
	UpstreamMark     mark                                    `env:"UPSTREAM_MARK"`
	Ciphers          list[cipher, *cipher]                   `env:"CIPHERS"`
	DHBits           dhLength                                `env:"DH_BITS"`
	ClientsFile      string                                  `env:"CLIENTS_FILE"` // empty: none
	CriticalCA       truth                                   `env:"CA_CRITICAL_CONSTRAINTS"`
	MaxConns         count                                   `env:"MAX_CONNECTIONS"`
	MaxConnsClient   count                                   `env:"MAX_CONNECTIONS_PER_CLIENT"`
	HandshakeTimeout timeout                                 `env:"HANDSHAKE_TIMEOUT"`
	IdleTimeout      timeout                                 `env:"IDLE_TIMEOUT"`
	DrainTimeout     timeout                                 `env:"DRAIN_TIMEOUT"`
	MetricsClients   count                                   `env:"METRICS_MAX_CLIENTS"`
	ClientExpiry     expiry                                  `env:"CLIENT_EXPIRY"` // 0: never
	ReverseDNS       truth                                   `env:"REVERSE_DNS"`
	LogLevel         logLevel                                `env:"LOG_LEVEL"`
	LogFormat        logFormat                               `env:"LOG_FORMAT"`
}

// load reads all settings. Its error has a line for everything that is wrong.
func (p *program) load() (*Config, error) {
	all, wrong := p.values()
	texts := make(map[string]string, len(all))
	for name, v := range all {
		texts[name] = v.text
	}
	cfg := &Config{}
	err := env.ParseWithOptions(cfg, env.Options{
		Environment: texts,
		Prefix:      prefix,
		FuncMap:     map[reflect.Type]env.ParserFunc{reflect.TypeFor[url.URL](): parseProxyURL},
	})
	unparsed := parseProblems(err)
	wrong = append(append(wrong, unparsed...), cfg.check()...)
	if len(unparsed) == 0 {
		wrong = append(wrong, cfg.checkListeners()...)
	}
	return cfg, wrong.asError()
}

// parseProblems turns the errors about fields into problems of settings.
func parseProblems(err error) problems {
	var all env.AggregateError
	if err != nil && !errors.As(err, &all) {
		return problems{{text: err.Error()}}
	}
	var wrong problems
	for _, err := range all.Errors {
		var parse env.ParseError
		if !errors.As(err, &parse) {
			wrong = append(wrong, problem{text: err.Error()})
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
		wrong = append(wrong, wrongSetting(field.Tag.Get("env"), parse.Err))
	}
	return wrong
}

// check finds what is missing.
func (c *Config) check() problems {
	var wrong problems
	if c.StateDir == "" {
		wrong = append(wrong, wrongSetting("STATE_DIR", errors.New("the environment does not tell a default, for lack of a home directory")))
	}
	if (c.UpstreamCert == "") != (c.UpstreamKey == "") {
		missing, given := "UPSTREAM_KEY_FILE", c.UpstreamCert
		if c.UpstreamCert == "" {
			missing, given = "UPSTREAM_CERT_FILE", c.UpstreamKey
		}
		wrong = append(wrong, wrongSetting(missing, fmt.Errorf("it is missing, and %q is of no use alone", given)))
	}
	if err := admin.CheckWebConfig(c.AdminWebConfig); err != nil {
		wrong = append(wrong, wrongSetting("ADMIN_WEB_CONFIG_FILE", err))
	}
	_, mistakes, _ := c.clientTable() // what cannot be read is no wrong setting
	return append(wrong, mistakes...)
}

// checkListeners finds listeners that lead to where nobody may go. It needs
// all of the settings.
func (c *Config) checkListeners() problems {
	allowed, err := policy.New(c.Instance, c.Destinations)
	if err != nil {
		return problems{wrongSetting("DESTINATIONS", err)}
	}
	var wrong problems
	for _, l := range c.Listen {
		if err := l.Check(allowed); err != nil {
			wrong = append(wrong, wrongSetting("LISTEN", fmt.Errorf("%s: %w; add it to %sDESTINATIONS", l, err, prefix)))
		}
	}
	return wrong
}
