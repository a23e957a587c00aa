package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"reflect"
	"strings"
	"unicode"

	"github.com/caarlos0/env/v11"

	"github.com/tlslift/tlslift/metrics/webconfig"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// Load returns all settings. Its error has a line for everything that is wrong.
func (s Source) Load() (*Config, error) {
	all, wrong := s.values()
	texts := make(map[string]string, len(all))
	for name, v := range all {
		texts[name] = v.text
	}
	cfg := &Config{}
	err := env.ParseWithOptions(cfg, env.Options{
		Environment: texts,
		Prefix:      Prefix,
		FuncMap:     map[reflect.Type]env.ParserFunc{reflect.TypeFor[url.URL](): parseProxyURL},
	})
	unparsed := parseProblems(err)
	wrong = append(append(wrong, unparsed...), cfg.check(s.Asks)...)
	if len(unparsed) == 0 {
		wrong = append(wrong, cfg.checkDestinations()...)
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

// check finds what is missing. With asks, it does not read what the service alone may read.
func (c *Config) check(asks bool) problems {
	var wrong problems
	if c.StateDir == "" {
		wrong = append(wrong, wrongSetting("STATE_DIR", errors.New("it has no default here, because the environment has no home directory")))
	}
	if (c.UpstreamCert == "") != (c.UpstreamKey == "") {
		missing, given, file := "UPSTREAM_KEY_FILE", "UPSTREAM_CERT_FILE", c.UpstreamCert
		if c.UpstreamCert == "" {
			missing, given, file = given, missing, c.UpstreamKey
		}
		wrong = append(wrong, wrongSetting(missing, fmt.Errorf("it is missing, but %s%s is %q", Prefix, given, file)))
	}
	wrong = append(wrong, c.checkAdminUser()...)
	if c.UpstreamCert != "" && len(c.UpstreamCertTo) == 0 {
		wrong = append(wrong, wrongSetting("UPSTREAM_CERT_DESTINATIONS",
			fmt.Errorf("it is missing, and %sUPSTREAM_CERT_FILE is shown to nobody else", Prefix)))
	}
	if c.PublicListen != "" && c.PublicListen == c.AdminListen && !c.PublicListen.IsAnyPort() {
		wrong = append(wrong, wrongSetting("PUBLIC_LISTEN", fmt.Errorf("%s is that of %sADMIN_LISTEN", c.PublicListen, Prefix)))
	}
	return append(wrong, c.checkFiles(asks)...)
}

// checkFiles finds what is wrong with the files of the service. With asks, those that the
// service alone may read are not its matter.
func (c *Config) checkFiles(asks bool) problems {
	var wrong problems
	if err := webconfig.Check(c.AdminWebConfig); err != nil && !(asks && isForbidden(err)) {
		wrong = append(wrong, wrongSetting("ADMIN_WEB_CONFIG_FILE", err))
	}
	clients, mistakes, err := c.clientTable()
	wrong = append(wrong, mistakes...)
	if asks || err != nil || len(mistakes) > 0 { // what cannot be read is no wrong setting
		return wrong
	}
	if _, err := c.SignIn(clients); err != nil {
		wrong = append(wrong, problem{Prefix + "SIGNIN_FILE", err.Error()})
	}
	return wrong
}

// isForbidden reports whether a file is there, and not for this user.
func isForbidden(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.As(err, new(*secretfile.AccessError))
}

// checkAdminUser finds a user that cannot sign in. The file is read by the commands that
// need it: the service may not be allowed to.
func (c *Config) checkAdminUser() problems {
	switch {
	case c.AdminUser == "" && c.AdminPassFile != "":
		return problems{wrongSetting("ADMIN_USER", fmt.Errorf("it is missing, but %sADMIN_PASSWORD_FILE is %q", Prefix, c.AdminPassFile))}
	case c.AdminUser != "" && c.AdminPassFile == "":
		return problems{wrongSetting("ADMIN_PASSWORD_FILE", fmt.Errorf("it is missing, but %sADMIN_USER is %q", Prefix, c.AdminUser))}
	case strings.ContainsFunc(c.AdminUser, func(r rune) bool { return r == ':' || unicode.IsControl(r) }):
		return problems{wrongSetting("ADMIN_USER", errors.New("it has a colon or a control character, which no user has (RFC 7617)"))}
	}
	return nil
}

// checkDestinations finds listeners and clients that lead to a destination that is not
// allowed. It needs all of the settings.
func (c *Config) checkDestinations() problems {
	allowed, err := m365.New(c.Instance, c.Destinations)
	if err != nil {
		return problems{wrongSetting("DESTINATIONS", err)}
	}
	var wrong problems
	for _, l := range c.Listen {
		if err := l.Check(allowed.Policy); err != nil {
			wrong = append(wrong, wrongSetting("LISTEN", fmt.Errorf("%s: %w; add it to %sDESTINATIONS", l, err, Prefix)))
		}
	}
	if clients, err := c.ClientTable(); err == nil { // check has found its mistakes
		wrong = append(wrong, c.clientsFileProblems(clients.Check(allowed.Policy), "; add it to "+Prefix+"DESTINATIONS")...)
	}
	return wrong
}

// ShowsCertificate reports whether a destination is shown the client certificate.
func (c *Config) ShowsCertificate(host string, port uint16) bool {
	to, err := policy.New("the destinations of the client certificate", c.UpstreamCertTo)
	if err == nil {
		_, err = to.Check(host, port)
	}
	return err == nil
}
