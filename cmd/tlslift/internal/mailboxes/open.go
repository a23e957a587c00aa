package mailboxes

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/stateowner"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/signin"
	"github.com/tlslift/tlslift/proxy/spelling"
)

// logins is the directory in the state directory that has the sign-ins of people.
const logins = "signin"

// LoginDir returns the directory that has the sign-ins of people.
func LoginDir(c *settings.Config) string { return filepath.Join(c.StateDir, logins) }

// ShareLogins gives the sign-ins that a command has stored as root to the owner of the
// state directory.
func ShareLogins(c *settings.Config) error { return stateowner.Share(c, logins) }

// ReadFile reads the sign-in file of settings, which has to be there.
func ReadFile(c *settings.Config) (*signin.Config, error) {
	clients, err := c.ClientTable()
	if err != nil {
		return nil, err
	}
	file, err := c.SignIn(clients)
	if err == nil && file == nil {
		err = errors.New(settings.Prefix + "SIGNIN_FILE is not set: write a sign-in file, as tlslift signin setup shows, and set it to " +
			"its path; for the settings of a service, give --env-file /etc/tlslift/tlslift.env")
	}
	return file, err
}

// Open returns a Service for one command: it reads the sign-in file, and reaches Entra as
// a running tlslift does. The caller closes it.
func Open(c *settings.Config, log *slog.Logger) (*Service, error) {
	file, err := ReadFile(c)
	if err != nil {
		return nil, err
	}
	out, err := egress.Config(c, log)
	if err != nil {
		return nil, err
	}
	client, err := egress.Client(out)
	if err != nil {
		return nil, err
	}
	return New(c, file, client, nil)
}

// Authority returns the host of Entra for the instance of the settings.
func Authority(c *settings.Config) string {
	return entra.Authority(clouds[m365.Instance(c.Instance.String())])
}

// Addresses returns the mailboxes of a file, in its order.
func Addresses(file *signin.Config) (all []string) {
	for _, m := range file.Mailboxes() {
		all = append(all, m.Address)
	}
	return all
}

// maxNamed is how many mailboxes an error names.
const maxNamed = 10

// Find returns the mailbox with an address. Its error says which there are.
func Find(file *signin.Config, address string) (signin.Mailbox, error) {
	for _, m := range file.Mailboxes() {
		if strings.EqualFold(m.Address, address) {
			return m, nil
		}
	}
	all := Addresses(file)
	if near := spelling.Nearest(address, all); near != "" {
		return signin.Mailbox{}, fmt.Errorf("the sign-in file has no mailbox %q; did you mean %s?", address, near)
	}
	has := strings.Join(all[:min(len(all), maxNamed)], ", ")
	if len(all) > maxNamed {
		has += ", …"
	}
	return signin.Mailbox{}, fmt.Errorf("the sign-in file has no mailbox %q; it has %s", address, has)
}
