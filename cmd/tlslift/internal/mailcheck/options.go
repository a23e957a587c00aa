// Package mailcheck tries whether tlslift can sign in to a mailbox: it goes the way of a
// device's mail, step by step, from the sign-in file to the mailbox itself, and says at
// the step that fails what is wrong and what to do. It signs in with its own connection,
// beside a running tlslift, and changes nothing but what --send adds to the mailbox. It
// shows no token.
package mailcheck

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/spelling"
)

// Help and Example are those of the command.
const Help = `Tries whether tlslift can sign in to a mailbox of the sign-in file, and says at the
step that fails what is wrong and what to do. The steps are those of a device's mail:

  sign-in file   it can be read, and everything in it is right
  mailbox        it is in the file
  Entra          Microsoft Entra can be reached, with verified TLS
  clock          this machine's clock is right
  token          Entra gives a token
  permission     the token has the permission that the protocol needs
  destination    the server of Microsoft 365 can be reached
  TLS            the connection to it is verified TLS 1.2 or newer
  XOAUTH2        the server offers the sign-in
  sign-in        the server lets tlslift sign in to the mailbox
  mail           with --send: it takes a short mail of the mailbox to itself

It needs no running tlslift, and does not disturb one: for a moment it uses one of the
sessions that Microsoft permits for the mailbox. It reads the same settings as serve,
and goes the same way to Microsoft 365. Logins and passwords of devices are not
checked, as no password is known here.

The exit code is 0 only if all is well.`

const Example = `  tlslift check mailbox scan@contoso.com
  tlslift check mailbox scan@contoso.com --send
  tlslift check mailbox orders@contoso.com --protocol imap --json
  sudo tlslift check mailbox scan@contoso.com --send --env-file /etc/tlslift/tlslift.env`

// protocols are those that a mailbox may be used with.
var protocols = []record.Protocol{record.ProtocolSMTP, record.ProtocolIMAP, record.ProtocolPOP3}

// ProtocolNames returns the names of the protocols.
func ProtocolNames() (all []string) {
	for _, p := range protocols {
		all = append(all, string(p))
	}
	return all
}

// ParseProtocol reads the name of a protocol.
func ParseProtocol(name string) (record.Protocol, error) {
	for _, p := range protocols {
		if string(p) == name {
			return p, nil
		}
	}
	if near := spelling.Nearest(name, ProtocolNames()); near != "" {
		return "", fmt.Errorf("--protocol: %q is not a protocol; did you mean %s?", name, near)
	}
	return "", fmt.Errorf("--protocol: %q is not a protocol; use smtp, imap or pop3", name)
}

// Options say what is tried.
type Options struct {
	// Load reads the settings.
	Load func() (*settings.Config, error)
	// Log returns the log for what is said beside the steps.
	Log func(*settings.Config) *slog.Logger
	// Mailbox is its address.
	Mailbox string
	// Protocol is what it is used for.
	Protocol record.Protocol
	// Send lets the mailbox send a mail to itself.
	Send bool
}

// Run goes through the steps until one fails, and prints each. Its error says which.
func (o Options) Run(ctx context.Context, p Printer) error {
	if o.Send && o.Protocol != record.ProtocolSMTP {
		return &stepError{usage: true, err: fmt.Errorf("--send needs --protocol smtp: with %s nothing is sent", o.Protocol)}
	}
	c := &chain{Options: o}
	c.session.chain = c
	report := c.run(ctx, p)
	if err := p.report(report); err != nil {
		return err
	}
	return report.err
}

// Try goes through the steps until one fails, and returns what came of them.
func (o Options) Try(ctx context.Context) *Report {
	c := &chain{Options: o}
	c.session.chain = c
	return c.run(ctx, Printer{Out: io.Discard})
}

// close ends what the steps have opened, orderly if all have succeeded. What a delegated mailbox has stored stays
// readable for the service.
func (c *chain) close(orderly bool) error {
	if talk := c.session.talk; talk != nil {
		if orderly {
			talk.quit(c.session.dialect())
		}
		talk.close()
	}
	if c.service == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.service.Close(ctx) // no request is under way, or it was interrupted
	return mailboxes.ShareLogins(c.cfg)
}
