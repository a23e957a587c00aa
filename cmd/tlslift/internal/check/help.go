package check

import (
	"fmt"
	"strings"
)

// Help returns the text of the command.
func Help() string {
	var b strings.Builder
	b.WriteString(`Looks whether a tlslift with these settings can do its work on this machine. It is
the step after the set-up, and the first one when something does not work. It checks:

`)
	for _, row := range names {
		fmt.Fprintf(&b, "  %-15s%s\n", strings.ReplaceAll(string(row.name), "_", " "), row.meaning)
	}
	b.WriteString(`
Each line is ok, warning, failed or skipped; below each that is not ok stands what to
do. The destinations in use are those of the listeners, those that
TLSLIFT_DESTINATIONS names whole, and what tlslift itself asks. A tlslift that runs is
asked through TLSLIFT_ADMIN_LISTEN, and is not disturbed.

It reads the same settings as serve, writes nothing, and opens no other connection. It
signs in only to mailboxes of the sign-in file that the application signs in to. Run
by root, it reads the firewall rules, and goes on as the owner of TLSLIFT_STATE_DIR,
with the rights that the systemd unit gives the service.

The exit code is 0 if no check failed, with --strict only if there is no warning
either. NO_COLOR in the environment turns colours off.`)
	return b.String()
}

// Example has examples of the command.
const Example = `  sudo tlslift check
  tlslift check --env-file ./tlslift.env --strict
  tlslift check --json --timeout 30s
  tlslift check client scanner-2nd-floor
  tlslift check mailbox scan@contoso.com --send`
