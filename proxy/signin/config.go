package signin

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/spelling"
	"github.com/tlslift/tlslift/proxy/yamlfile"
)

// A Config is the content of a sign-in file. It does not change, so it is safe for
// concurrent use.
type Config struct {
	// Tenant is the domain or the GUID of the tenant.
	Tenant string
	// Application is who tlslift is in Entra.
	Application Application

	path      string
	mailboxes []*mailbox
	logins    map[string]*login // by the name in lower case
	names     []position        // of clients
}

// An Application is an application that is registered in Entra. It has one
// credential at most, and none if all mailboxes are delegated.
type Application struct {
	// ID is its application (client) id; empty only with a managed identity.
	ID string
	// SecretFile has its client secret; empty means none.
	SecretFile string
	// Expires is the day on which the secret expires, at its first moment in UTC; zero
	// if the file does not say it.
	Expires time.Time
	// CertificateFile has its certificate and the key, in PEM; empty means none.
	CertificateFile string
	// FederatedTokenFile has a token of another issuer, which is replaced from time to
	// time; empty means none.
	FederatedTokenFile string
	// ManagedIdentity is "system" or the client id of a user-assigned identity; empty
	// means none.
	ManagedIdentity string
}

// credential names what the application signs in with.
func (a Application) credential() string {
	switch {
	case a.SecretFile != "":
		text := "the secret in " + a.SecretFile
		if !a.Expires.IsZero() {
			text += ", which expires on " + a.Expires.Format(time.DateOnly)
		}
		return text
	case a.CertificateFile != "":
		return "the certificate in " + a.CertificateFile
	case a.FederatedTokenFile != "":
		return "the federated token in " + a.FederatedTokenFile
	case a.ManagedIdentity != "":
		return "the managed identity " + a.ManagedIdentity
	}
	return "no credential"
}

// A mailbox is what the file says of one.
type mailbox struct {
	address, user  string
	delegated, hve bool
	logins         []*login
	clients        clients
	senders        []string // in lower case; none means any
	sessions       int
	perMinute      int
	wait           time.Duration
}

// A login is what a client may type for its mailbox. It has a hash or a secret.
type login struct {
	name    string
	hash    hash
	secret  Secret
	clients clients // empty means all
	mailbox *mailbox
}

// The values of what the file leaves out. The first two are Microsoft's limits.
const (
	defaultSessions  = 3
	defaultPerMinute = 30
	defaultWait      = 45 * time.Second
)

// A position is where a word stands in the file.
type position struct {
	word         string
	line, column int
}

// Load reads a sign-in file and the files that it names; relative names are those of
// files beside it. The error has a line for each problem, with the path, the line and
// the column. It repeats no secret.
func Load(path string) (*Config, error) {
	text, err := readFile(path, yamlfile.MaxFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	cfg, err := parse(text, func(name string, limit int) ([]byte, error) {
		return readFile(beside(path, name), limit)
	})
	if err != nil {
		return nil, errors.New(path + ": " + strings.ReplaceAll(err.Error(), "\n", "\n"+path+": "))
	}
	cfg.path = path
	for _, file := range []*string{&cfg.Application.SecretFile, &cfg.Application.CertificateFile, &cfg.Application.FederatedTokenFile} {
		if *file != "" {
			*file = beside(path, *file)
		}
	}
	return cfg, nil
}

// beside returns the path of a file that the one at path names.
func beside(path, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(path), name)
}

// CheckClients returns an error for each client name that is not one of known, which
// are those of the clients file.
func (c *Config) CheckClients(known []string) error {
	have := map[string]bool{}
	for _, name := range known {
		have[name] = true
	}
	var wrong []error
	for _, p := range c.names {
		if have[p.word] {
			continue
		}
		remedy := "name it there, or write an address or a network"
		if near := spelling.Nearest(p.word, known); near != "" {
			remedy = "did you mean " + near + "?"
		}
		wrong = append(wrong, fmt.Errorf("%s: line %d, column %d: the clients file has no client %q; %s",
			c.path, p.line, p.column, p.word, remedy))
	}
	return errors.Join(wrong...)
}

// Mailboxes returns the mailboxes, in the order of the file.
func (c *Config) Mailboxes() []Mailbox {
	all := make([]Mailbox, len(c.mailboxes))
	for i, m := range c.mailboxes {
		all[i] = Mailbox{Address: m.address, User: m.user, Delegated: m.delegated, HVE: m.hve}
	}
	return all
}

// Summary returns what may be printed of the file, in lines: whose mailboxes are used
// by whom, and nothing that is secret.
func (c *Config) Summary() []string {
	lines := []string{
		"tenant " + c.Tenant,
		strings.Join(strings.Fields("application "+c.Application.ID), " ") + " with " + c.Application.credential(),
	}
	for _, m := range c.mailboxes {
		lines = append(lines, m.summary())
		for _, l := range m.logins {
			line := "  login " + l.name + ", password as a hash"
			if !l.secret.IsZero() {
				line = "  login " + l.name + ", password in a file, also for CRAM-MD5"
			}
			if !l.clients.isEmpty() {
				line += ", only " + l.clients.list()
			}
			lines = append(lines, line)
		}
		if !m.clients.isEmpty() {
			lines = append(lines, "  without a login: "+m.clients.list())
		}
	}
	return lines
}

func (m *mailbox) summary() string {
	line := "mailbox " + m.address
	if m.delegated {
		line += ", delegated"
	}
	if m.user != "" {
		line += " to " + m.user
	}
	if m.hve {
		line += ", High Volume Email"
	}
	line += fmt.Sprintf(", %d sessions, %d messages a minute, wait %s", m.sessions, m.perMinute, m.wait)
	if len(m.senders) > 0 {
		line += ", senders " + strings.Join(m.senders, " ")
	}
	return line
}

// maySend reports whether a mail may have the sender. Domains have no case, and
// Exchange looks at none before the @ either. The case is that of ASCII: in Unicode
// other letters have one of those as their lower case. A sender that has to be quoted
// is none of a domain that is allowed: its domain depends on who reads it.
func (m *mailbox) maySend(sender string) bool {
	if len(m.senders) == 0 {
		return true
	}
	sender = asciiLower(strings.TrimSuffix(strings.TrimPrefix(sender, "<"), ">"))
	for _, allowed := range m.senders {
		domain, whole := strings.CutPrefix(allowed, "*")
		local, ofDomain := strings.CutSuffix(sender, domain)
		if sender == allowed || whole && ofDomain && local != "" && !strings.ContainsFunc(local, isSpecial) {
			return true
		}
	}
	return false
}

// isSpecial reports whether a local part has to be quoted for a character (RFC 5321
// section 4.1.2).
func isSpecial(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune(`"\()<>[]:;,@`, c) }

func asciiLower(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}, s)
}
