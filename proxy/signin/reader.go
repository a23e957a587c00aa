package signin

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/yamlfile"
)

const (
	maxMailboxes  = 10_000
	maxLogins     = 10_000 // of all mailboxes
	maxLogin      = 254    // as long as an address
	maxAppSecret  = 4096
	maxSessions   = 100
	maxPerMinute  = 10_000
	maxWait       = 10 * time.Minute
	secretFileKey = "secret_file"
)

// An opener returns the content of a file that the sign-in file names.
type opener func(name string, limit int) ([]byte, error)

type node = yamlfile.Node

// A reader collects the content of a file and the problems in it.
type reader struct {
	*yamlfile.Reader
	cfg  *Config
	open opener
	// Where each of them is given for the first time.
	addresses map[string]int
	logins    map[string]int
	mapped    map[string]int
	// hasCredential is true for one with a problem as well.
	hasCredential bool
}

// parse reads the text of a file. See yamlfile.Parse for its error.
func parse(text []byte, open opener) (*Config, error) {
	cfg := &Config{logins: map[string]*login{}}
	isThere := false
	err := yamlfile.Parse(text, "a sign-in file", func(f *yamlfile.Reader, n *node) {
		isThere = true
		r := reader{Reader: f, cfg: cfg, open: open,
			addresses: map[string]int{}, logins: map[string]int{}, mapped: map[string]int{}}
		r.file(n)
	})
	switch {
	case err != nil:
		return nil, err
	case !isThere:
		return nil, errEmpty
	}
	return cfg, nil
}

func (r *reader) file(n *node) {
	given := r.Mapping(n, "the file",
		yamlfile.Key("tenant", func(v *node) { r.cfg.Tenant = r.tenant(v) }),
		yamlfile.Key("application", func(v *node) { r.application(v) }),
		yamlfile.Key("mailboxes", func(v *node) { r.mailboxes(v) }),
	)
	if given == nil {
		return
	}
	if !given["tenant"] {
		r.Wrong(n, "the file has no tenant; add one, for example tenant: contoso.onmicrosoft.com")
	}
	if !given["application"] {
		r.Wrong(n, "the file has no application; add it with the id that Entra shows for it")
	}
	if !given["mailboxes"] {
		r.Wrong(n, "the file has no mailboxes; add them")
	}
	if given["application"] && !r.hasCredential && r.cfg.needsCredential() {
		r.Wrong(n, "the application has no credential, and a mailbox is not delegated; add secret_file, certificate_file, "+
			"federated_token_file or managed_identity, or write delegated: true for each mailbox")
	}
}

// needsCredential reports whether a mailbox is not delegated.
func (c *Config) needsCredential() bool {
	for _, m := range c.mailboxes {
		if !m.delegated {
			return true
		}
	}
	return false
}

var guid = regexp.MustCompile(`^(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func (r *reader) tenant(n *node) string {
	text, ok := r.Text(n, "tenant")
	if ok && !guid.MatchString(text) && !isDomain(text) {
		r.Wrong(n, "tenant is %q; write its domain, for example contoso.onmicrosoft.com, or its GUID", yamlfile.Shown(text))
	}
	return text
}

// isDomain reports whether text is a domain in ASCII: other letters may have one of
// those as their lower case.
func isDomain(text string) bool {
	isOther := func(c rune) bool { return c >= utf8.RuneSelf }
	return !strings.ContainsFunc(text, isOther) && netname.IsHost(strings.ToLower(text)) && strings.Contains(text, ".")
}

// id reads a GUID.
func (r *reader) id(n *node, what string) string {
	text, ok := r.Text(n, what)
	if ok && !guid.MatchString(text) {
		r.Wrong(n, "%s is not a GUID; write one, for example 11111111-2222-3333-4444-555555555555", what)
	}
	return text
}

func (r *reader) application(n *node) {
	a := &r.cfg.Application
	given := r.Mapping(n, "application",
		yamlfile.Key("id", func(v *node) { a.ID = r.id(v, "the application's id") }),
		yamlfile.Key(secretFileKey, func(v *node) {
			a.SecretFile = v.Value
			_ = r.secretFile(v, maxAppSecret) // it is read again for each token
		}),
		yamlfile.Key("expires", func(v *node) { a.Expires = r.day(v, "expires") }),
		yamlfile.Key("certificate_file", func(v *node) {
			a.CertificateFile = v.Value
			text, ok := r.named(v, "certificate_file")
			if err := checkCertificate(text); ok && err != nil {
				r.Wrong(v, "the file that certificate_file names %s", err)
			}
		}),
		// The system that replaces this file decides who may read it, and it may not be
		// there yet.
		yamlfile.Key("federated_token_file", func(v *node) { a.FederatedTokenFile, _ = r.Text(v, "federated_token_file") }),
		yamlfile.Key("managed_identity", func(v *node) {
			if text, ok := r.Text(v, "managed_identity"); ok && text != "system" {
				r.id(v, "managed_identity is not system, and")
			}
			a.ManagedIdentity = v.Value
		}),
	)
	credentials := 0
	for _, key := range []string{secretFileKey, "certificate_file", "federated_token_file", "managed_identity"} {
		if given[key] {
			credentials++
		}
	}
	r.hasCredential = credentials > 0
	if given["expires"] && !given[secretFileKey] {
		r.Wrong(n, "the application has expires, which belongs to secret_file; remove it, since a certificate says itself when it expires")
	}
	if credentials > 1 {
		r.Wrong(n, "the application has more than one credential; leave one of secret_file, certificate_file, "+
			"federated_token_file and managed_identity")
	}
	if given != nil && !given["id"] && !given["managed_identity"] {
		r.Wrong(n, "the application has no id; add the application (client) id that Entra shows for it")
	}
}

// named returns the content of the file that n names.
func (r *reader) named(n *node, what string) ([]byte, bool) {
	name, ok := r.Text(n, what)
	if !ok {
		return nil, false
	}
	text, err := r.open(name, maxSecretFile)
	if err != nil {
		r.Wrong(n, "the file that %s names %s", what, err)
		return nil, false
	}
	return text, true
}

func (r *reader) secretFile(n *node, limit int) Secret {
	text, ok := r.named(n, secretFileKey)
	if !ok {
		return Secret{}
	}
	secret, err := parseSecret(text, limit)
	if err != nil {
		r.Wrong(n, "the file that secret_file names %s", err)
	}
	return secret
}

func (r *reader) duration(n *node, what string) time.Duration {
	text, ok := r.Text(n, what)
	d, err := time.ParseDuration(text)
	if ok && (err != nil || d < time.Second || d > maxWait) {
		r.Wrong(n, "%s is %q; write a time from 1s to %s, for example 45s", what, yamlfile.Shown(text), maxWait)
	}
	return d
}

// day reads a date. A year that is mistyped would keep the alert silent for ever.
func (r *reader) day(n *node, what string) time.Time {
	text, ok := r.Text(n, what)
	d, err := time.Parse(time.DateOnly, text)
	if ok && (err != nil || d.Year() < 2020 || d.Year() > 2099) {
		r.Wrong(n, "%s is %q; write a day from 2020 to 2099, for example 2027-11-01", what, yamlfile.Shown(text))
	}
	return d
}

// isPrintable reports whether s is printable ASCII. Devices encode other characters
// in different ways.
func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}
