// Package login lets a person sign in for a mailbox once: it shows where to enter which
// code, waits, and stores what Entra gives, for a running tlslift to use. It prints no
// token.
package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/stateowner"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/signin"
)

// Help and Example are those of the command.
const Help = `Lets a person sign in for a mailbox that has delegated: true in the sign-in file, so
that no secret of an application is needed. It prints an address and a code, for a
browser on any machine, and waits until the person has signed in there; Ctrl-C ends
it, and then nothing is stored.

Sign in as the mailbox itself, or as the user that the sign-in file names for it. The
refresh token is stored encrypted in TLSLIFT_STATE_DIR. A running tlslift with the
same directory uses it without a restart. Run as root, the files belong to the owner
of the directory.

The permission that is asked for is that of sending; --protocol is for mailboxes of
which devices only read. An administrator has to have consented to it: "tlslift
signin setup --delegated" lists the steps.`

const Example = `  tlslift login scan@contoso.com
  tlslift login orders@contoso.com --protocol imap
  sudo tlslift login scan@contoso.com --env-file /etc/tlslift/tlslift.env`

// Options say who signs in for what.
type Options struct {
	// Mailbox is its address.
	Mailbox string
	// Protocol is what the permission is for.
	Protocol record.Protocol
}

// mailbox returns the one that somebody can sign in for. Its error is a mistake in
// the settings or the command line.
func (o Options) mailbox(c *settings.Config) (signin.Mailbox, error) {
	file, err := mailboxes.ReadFile(c)
	if err != nil {
		return signin.Mailbox{}, err
	}
	m, err := mailboxes.Find(file, o.Mailbox)
	switch {
	case err != nil:
		return m, fmt.Errorf("%s: %w", c.SignInFile, err)
	case !m.Delegated:
		return m, fmt.Errorf("%s: %s is signed in to by the application, so that nobody has to sign in for it; "+
			"if a person is to do it, write delegated: true for it", c.SignInFile, m.Address)
	case m.HVE && o.Protocol != record.ProtocolSMTP:
		return m, fmt.Errorf("%s is an account of High Volume Email, which can only send; leave --protocol out", m.Address)
	}
	return m, nil
}

// Check returns what is wrong with the settings, or with the options for them.
func (o Options) Check(c *settings.Config) error {
	_, err := o.mailbox(c)
	return err
}

// Run lets a person sign in, and says to w what to do and what came of it.
func (o Options) Run(ctx context.Context, c *settings.Config, log *slog.Logger, w io.Writer) error {
	m, err := o.mailbox(c)
	if err != nil {
		return err
	}
	if err := stateowner.Check(c); err != nil {
		return err
	}
	service, err := mailboxes.Open(c, log)
	if err != nil {
		return err
	}
	defer closeNow(service)
	who, err := o.signIn(ctx, service.Source(), m, w)
	if shared := mailboxes.ShareLogins(c); err == nil {
		err = shared
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, done(m, who, mailboxes.LoginDir(c)))
	return err
}

// closeNow ends the service: nothing is under way any more.
func closeNow(s *mailboxes.Service) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.Close(ctx) // what was wrong with a request has been said
}

// signIn returns who has signed in.
func (o Options) signIn(ctx context.Context, from *entra.Source, m signin.Mailbox, w io.Writer) (string, error) {
	id := entra.Identity{Mailbox: m.Address, User: m.User, Delegated: true, HVE: m.HVE, Protocol: o.Protocol}
	var shown error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	who, err := from.Login(ctx, id, func(code entra.DeviceCode) {
		if _, shown = io.WriteString(w, instructions(m, code)); shown != nil {
			cancel() // nobody can read the code
		}
	})
	var f *record.Failure
	switch {
	case shown != nil:
		return "", shown
	case errors.Is(err, context.Canceled):
		return "", fmt.Errorf("%s: interrupted before anybody had signed in; nothing is stored", m.Address)
	case errors.As(err, &f):
		return "", fmt.Errorf("%s: %w\n%s %s", m.Address, f, f.Reason.Cause(), f.Reason.Remedy())
	}
	return who, err
}

// maxShown bounds what is shown of an answer of Entra.
const maxShown = 200

// instructions say what the person has to do.
func instructions(m signin.Mailbox, code entra.DeviceCode) string {
	account := cmp.Or(m.User, m.Address)
	var b strings.Builder
	fmt.Fprintf(&b, "To sign in for the mailbox %s:\n\n", m.Address)
	fmt.Fprintf(&b, "  1. open in a browser   %s\n", netname.Text(code.URL, maxShown))
	fmt.Fprintf(&b, "  2. enter the code      %s\n", netname.Text(code.UserCode, maxShown))
	fmt.Fprintf(&b, "  3. sign in as          %s\n\n", account)
	fmt.Fprintf(&b, "Waiting until %s. Ctrl-C ends it; then nothing is stored.\n", code.Expires.Local().Format("15:04:05"))
	return b.String()
}

// done says what came of it, and what is next.
func done(m signin.Mailbox, who, dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s has signed in for %s.\n", netname.Text(who, maxShown), m.Address)
	if m.User == "" && !strings.EqualFold(who, m.Address) {
		fmt.Fprintf(&b, "This is another name than the mailbox has. If it is another account, write it into the sign-in\n"+
			"file (user: %s), and run tlslift login again.\n", netname.Text(who, maxShown))
	}
	fmt.Fprintf(&b, "The sign-in is stored in %s, encrypted. A running tlslift with this directory\n"+
		"uses it within a minute, without a restart. If the sign-in file has changed since tlslift started, run\n"+
		"systemctl reload tlslift (or send SIGHUP).\n\n", dir)
	fmt.Fprintf(&b, "Next: tlslift check mailbox %s --send\n", m.Address)
	return b.String()
}
