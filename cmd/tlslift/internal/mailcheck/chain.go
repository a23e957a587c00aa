package mailcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/signin"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// stepTime is how long a step may take. It is more than a request for a token may.
const stepTime = 40 * time.Second

// A chain is the steps of one check, and what they have found.
type chain struct {
	Options

	cfg     *settings.Config
	file    *signin.Config
	mailbox signin.Mailbox
	policy  *m365.Policy
	service *mailboxes.Service
	out     upstream.Config
	dialer  *upstream.Dialer
	skew    *time.Duration // nil when Entra has not told its time
	token   entra.Token
	session session
}

// A step is one of the chain. It returns what it has found.
type step struct {
	name string
	run  func(context.Context) (string, error)
}

func (c *chain) steps() []step {
	all := []step{
		{"sign-in file", c.readFile},
		{"mailbox", c.findMailbox},
		{"Entra", c.reachEntra},
		{"clock", c.compareClock},
		{"token", c.getToken},
		{"permission", c.readPermission},
		{"destination", c.session.reach},
		{"TLS", c.session.secure},
		{"XOAUTH2", c.session.findXOAUTH2},
		{"sign-in", c.session.signIn},
	}
	if c.Send {
		all = append(all, step{"mail", c.session.send})
	}
	return all
}

// A stepError is why a step failed.
type stepError struct {
	err    error
	usage  bool // a mistake in the settings or the command line
	goesOn bool // the steps after it can be tried all the same
}

func (e *stepError) Error() string { return e.err.Error() }

func (e *stepError) Unwrap() error { return e.err }

// IsUsage reports whether the error of Run is a mistake in the settings or the command
// line.
func IsUsage(err error) bool {
	var e *stepError
	return errors.As(err, &e) && e.usage
}

// run goes through the steps.
func (c *chain) run(ctx context.Context, p Printer) *Report {
	r := &Report{Mailbox: c.Mailbox, Protocol: c.Protocol, Steps: []Step{}}
	for _, s := range c.steps() {
		found, err := c.runStep(ctx, s)
		if !r.add(s.name, found, err, c) {
			p.step(r)
			break
		}
		p.step(r)
	}
	if err := c.close(r.err == nil); err != nil && r.err == nil {
		r.err = err
	}
	r.OK = r.err == nil
	return r
}

func (c *chain) runStep(ctx context.Context, s step) (string, error) {
	limited, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	if c.session.talk != nil {
		stop := c.session.talk.begin(limited)
		defer stop()
	}
	found, err := s.run(limited)
	if err != nil && ctx.Err() != nil {
		return "", errors.New("interrupted")
	}
	return found, err
}

// readFile reads the settings, and with them the sign-in file.
func (c *chain) readFile(context.Context) (string, error) {
	var err error
	if c.cfg, err = c.Load(); err == nil {
		c.file, err = mailboxes.ReadFile(c.cfg)
	}
	if err != nil {
		return "", &stepError{err: err, usage: true}
	}
	allowed, err := m365.New(c.cfg.Instance, c.cfg.Destinations)
	if err != nil {
		return "", &stepError{err: err, usage: true}
	}
	c.policy = allowed
	// The first lines are those of the tenant and the application.
	return c.cfg.SignInFile + ": " + strings.Join(c.file.Summary()[:2], ", "), nil
}

func (c *chain) findMailbox(context.Context) (string, error) {
	var err error
	if c.mailbox, err = mailboxes.Find(c.file, c.Mailbox); err != nil {
		return "", &stepError{err: fmt.Errorf("%s: %w", c.cfg.SignInFile, err), usage: true}
	}
	what := c.mailbox.Address + " is in the file, signed in to by the application"
	if c.mailbox.Delegated {
		what = c.mailbox.Address + " is in the file, signed in to by " + c.account()
	}
	if c.mailbox.HVE {
		what += ", High Volume Email"
		if c.Protocol != record.ProtocolSMTP {
			return "", &stepError{err: errors.New("an account of High Volume Email can only send: use --protocol smtp"), usage: true}
		}
	}
	return what, nil
}

// account returns who signs in to a delegated mailbox.
func (c *chain) account() string {
	if c.mailbox.User != "" {
		return c.mailbox.User
	}
	return c.mailbox.Address
}

// ioFailure gives an error of the connection to the destination its reason.
func ioFailure(doing string, err error) error {
	reason := record.ReasonUpstreamClosed
	var network net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		reason = record.ReasonUpstreamTimeout
	case errors.Is(err, errMalformed):
		reason = record.ReasonUpstreamReplyMalformed
	case errors.Is(err, io.EOF):
		err = errors.New("it closed the connection")
	}
	return record.Fail(reason, fmt.Errorf("%s the destination: %w", doing, err))
}
