package check

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailcheck"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/record"
)

// maxMailboxes is how many mailboxes are signed in to.
const maxMailboxes = 8

// signIns returns the checks of mailboxes, and the results of those that are not tried.
func (c *outside) signIns() (tasks []task, rest []Result) {
	if c.cfg.SignInFile == "" {
		return nil, []Result{{Check: SignIn, Status: Skipped, Says: "not configured"}}
	}
	file, err := mailboxes.ReadFile(c.cfg)
	if err != nil {
		return nil, []Result{{Check: SignIn, Status: Skipped, Says: "the sign-in file has a mistake"}}
	}
	for _, m := range file.Mailboxes() {
		again := "tlslift check mailbox " + m.Address
		switch {
		case m.Delegated: // what Entra gives for it has to be stored
			rest = append(rest, Result{Check: SignIn, Subject: m.Address, Status: Skipped,
				Says: "a person has signed in for it, and trying it renews what is stored; " + again + " does that"})
		case len(tasks) == maxMailboxes:
			rest = append(rest, Result{Check: SignIn, Subject: m.Address, Status: Skipped, Says: "one of many; " + again + " tries it"})
		default:
			tasks = append(tasks, func(ctx context.Context) []Result { return []Result{c.signIn(ctx, m.Address, m.HVE)} })
		}
	}
	return tasks, rest
}

// signIn signs in to a mailbox, as tlslift does for a client.
func (c *outside) signIn(ctx context.Context, address string, isHVE bool) Result {
	o := mailcheck.Options{
		Load: func() (*settings.Config, error) { return c.cfg, nil }, Log: func(*settings.Config) *slog.Logger { return c.log },
		Mailbox: address, Protocol: c.mailProtocol(isHVE),
	}
	report := o.Try(ctx)
	r := Result{Check: SignIn, Subject: address, Status: OK, Says: fmt.Sprintf("tlslift can sign in to it (%s)", o.Protocol)}
	for _, s := range report.Steps {
		if s.OK {
			continue
		}
		r.Status, r.Says, r.Reason, r.Remedy = Failed, s.Name+": "+clean(s.Says), s.Reason, s.Remedy
		if s.Reason == "" {
			r.Remedy = "see all steps with tlslift check mailbox " + address
		}
		break
	}
	return r
}

// mailProtocol returns that of the listeners' mail; SMTP if they have none or several.
func (c *outside) mailProtocol(isHVE bool) record.Protocol {
	found := record.Protocol("")
	for _, l := range c.cfg.Listen {
		switch p := l.Scheme.Mail(); {
		case p == record.ProtocolSMTP:
			return p
		case p != "" && found == "":
			found = p
		}
	}
	if found == "" || isHVE {
		return record.ProtocolSMTP
	}
	return found
}
