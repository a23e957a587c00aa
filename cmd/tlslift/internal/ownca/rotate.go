package ownca

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/stateowner"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/netname"
)

// RotateHelp and RotateExample are those of the command.
const RotateHelp = `Makes a new CA beside the one in use. From the next reload on both are: each client
gets certificates of the old one, until the clients file says ca: new for it, or
TLSLIFT_CA_ROTATION=new for all that have no ca: old. So devices can be given the new
one (tlslift ca export --new) in the order in which somebody gets to them.

"tlslift ca show" and the page /ca list the clients that still use the old one.
--finish ends the rotation: the new CA takes the place of the old one, whose key is
removed. It refuses while clients still use the old one, unless --force is given.
--cancel removes the new CA.

After each of them, reload tlslift (systemctl reload tlslift, or SIGHUP). Run as
root, the files belong to the owner of the directory.`

const RotateExample = `  sudo tlslift ca rotate --env-file /etc/tlslift/tlslift.env
  tlslift ca rotate --finish
  tlslift ca rotate --cancel`

const rotationSteps = `
Next:
  1. systemctl reload tlslift (or SIGHUP): both CAs are in use. Clients get the old one.
  2. Give a device the new one (tlslift ca export --new, or /ca-new.pem on the public address),
     write ca: new for it in the clients file, reload, and try it. Then the next device.
  3. tlslift ca show lists who still uses the old one.
  4. tlslift ca rotate --finish removes the old one with its key.
`

// A Rotation says which step of a rotation is done.
type Rotation struct{ Finish, Cancel, Force bool }

// Check returns what is wrong with the command line.
func (r Rotation) Check() error {
	switch {
	case r.Finish && r.Cancel:
		return errors.New("--finish and --cancel cannot be used together")
	case r.Force && !r.Finish:
		return errors.New("--force is for --finish")
	}
	return nil
}

// Run does the step, and says to w what came of it and what is next.
func (r Rotation) Run(ctx context.Context, h *Home, w io.Writer) error {
	if err := stateowner.Check(h.cfg); err != nil {
		return err
	}
	switch {
	case r.Finish:
		return r.finish(ctx, h, w)
	case r.Cancel:
		if err := localca.CancelRotation(h.options.Dir); err != nil {
			return explained(err, h)
		}
		_, err := fmt.Fprint(w, "The new CA is removed.\n\nNext: systemctl reload tlslift (or SIGHUP); take ca: new out of the clients file.\n")
		return err
	}
	return start(h, w)
}

// start makes the new CA.
func start(h *Home, w io.Writer) error {
	if _, err := h.current(); err != nil {
		return err
	}
	if err := h.nobodyIsNew(); err != nil {
		return err
	}
	if err := localca.StartRotation(h.options); err != nil {
		return explained(err, h)
	}
	next, err := h.next()
	if err != nil {
		return err
	}
	var b strings.Builder
	shown := shownOf("new", next)
	shown.write(&b, h.now)
	shown.writeOpen(&b)
	if err := h.tidy(&b); err != nil {
		return err
	}
	b.WriteString(rotationSteps)
	_, err = io.WriteString(w, b.String())
	return err
}

// tidy removes what an interrupted rotation has left of a CA, and says so.
func (h *Home) tidy(b *strings.Builder) error {
	removed, err := localca.RemoveLeft(h.options.Dir)
	if removed && err == nil {
		b.WriteString("\nA CA that an earlier rotation has left, because it was interrupted, is removed with its key.\n")
	}
	return err
}

// nobodyIsNew refuses settings by which clients would get the new CA before they have it.
func (h *Home) nobodyIsNew() error {
	if clientfile.CA(h.cfg.CARotation) == clientfile.CANew {
		return fmt.Errorf("%sCA_ROTATION is new, so that clients would get the new CA before they have it; set it to old, and reload tlslift",
			settings.Prefix)
	}
	clients, err := h.cfg.ClientTable()
	if err != nil {
		return err
	}
	if names := clients.NamesWithCA(clientfile.CANew); len(names) > 0 {
		return fmt.Errorf("%sCLIENTS_FILE: %s has ca: new, as for %q, which would get the new CA too early; take that out, and reload tlslift",
			settings.Prefix, h.cfg.ClientsFile, names[0])
	}
	return nil
}

// explained says what to do about an error of a rotation.
func explained(err error, h *Home) error {
	switch {
	case errors.Is(err, localca.ErrRotating):
		return fmt.Errorf("%w: the new CA is in %s; --finish ends the rotation, --cancel removes the new CA", err, localca.NewDir(h.options.Dir))
	case errors.Is(err, localca.ErrNotRotating):
		return fmt.Errorf("%w: there is no new CA in %s; tlslift ca rotate makes one", err, localca.NewDir(h.options.Dir))
	}
	return err
}

// maxListed bounds a list of clients on a terminal.
const maxListed = 50

// finish ends the rotation.
func (r Rotation) finish(ctx context.Context, h *Home, w io.Writer) error {
	next, err := h.next()
	if err != nil {
		return err
	}
	if next != nil && !r.Force {
		if err := h.nobodyIsOld(ctx); err != nil {
			return err
		}
	}
	if err := localca.FinishRotation(h.options); err != nil {
		return explained(err, h)
	}
	ca, err := h.current()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "The CA is now %s\n(SHA-256 %s). The old one is removed with its key.\n\n"+
		"Next: systemctl reload tlslift (or SIGHUP); then take ca: and %sCA_ROTATION out of the settings.\n",
		text(ca.Certificate().Subject.String()), ca.Fingerprint(), settings.Prefix)
	return err
}

// nobodyIsOld returns which clients still use the old CA.
func (h *Home) nobodyIsOld(ctx context.Context) error {
	old, err := localca.Read(h.options)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a finish that was interrupted has put it aside
	case err != nil:
		return fmt.Errorf("it is not known who still uses the old CA: %w; --force finishes all the same", err)
	}
	users, err := h.usersOf(ctx, old)
	if err != nil {
		return fmt.Errorf("it is not known who still uses the old CA: %w; --force finishes all the same", err)
	}
	if len(users) == 0 {
		return nil
	}
	return fmt.Errorf("%d clients were last shown the old CA:\n%s"+
		"Give them the new one, or forget those that do not exist any more (tlslift clients forget NAME); --force finishes all the same",
		len(users), listed(users, h.now))
}

// usersOf returns the clients that were last shown a CA, the latest first. It asks the
// running tlslift.
func (h *Home) usersOf(ctx context.Context, ca *localca.Public) ([]statuspage.Client, error) {
	var answer statuspage.Clients
	if err := h.client().AskJSON(ctx, adminclient.Question{Path: "/api/v1/clients"}, &answer); err != nil {
		return nil, err
	}
	users := slices.DeleteFunc(answer.Clients, func(c statuspage.Client) bool {
		return !c.Shown(ca.ID())
	})
	slices.SortFunc(users, func(a, b statuspage.Client) int { return b.LastLifted.Compare(a.LastLifted) })
	return users, nil
}

// listed returns clients as lines.
func listed(users []statuspage.Client, now time.Time) string {
	var b strings.Builder
	for _, c := range users[:min(len(users), maxListed)] {
		name := netname.Text(c.Client.Client, 40)
		if address := text(c.Address.String()); address != name { // a zone may be anything
			name += " (" + address + ")"
		}
		fmt.Fprintf(&b, "  %s, last seen %d days ago\n", name, max(0, int(now.Sub(c.LastSeen).Hours()/24)))
	}
	if more := len(users) - maxListed; more > 0 {
		fmt.Fprintf(&b, "  and %d more: the page /ca on the admin address has all\n", more)
	}
	return b.String()
}
