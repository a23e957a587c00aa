package setup

import (
	"fmt"
	"slices"

	"github.com/tlslift/tlslift/proxy/record"
)

// Where the files are. The service runs as a user that exists only while it runs, and
// that can read nothing else that others cannot.
const (
	stateDir   = "/var/lib/tlslift"
	signinFile = stateDir + "/signin.yaml"
	secretFile = stateDir + "/app-secret"
	envFile    = "/etc/tlslift/tlslift.env"
)

// files writes the sign-in file, and where it goes.
func files(p *page, o Options) {
	p.step("Write the sign-in file")
	p.text("Write these lines to signin.yaml. tlslift password asks for a password and prints its hash. The login and the password " +
		"are your choice. They are what is typed on the device: no account in Microsoft 365 has them.")
	p.code(file(o)...)
	names := "signin.yaml"
	if len(o.addresses(Mailbox.isApplication)) > 0 {
		p.text("Write the Value of the secret to app-secret, and nothing else.")
		names += " app-secret"
	}
	p.text("Only the user that tlslift runs as may read these files (mode 0600); tlslift refuses others. For the service of systemd, " +
		"which has a user of its own, start it once before this:")
	p.code(`owner=$(sudo stat -c %u `+stateDir+`/.)`,
		`sudo install -m 0600 -o "$owner" `+names+" "+stateDir+"/",
		"rm "+names)
	p.text("Add these settings to " + envFile + ", and restart tlslift. After later changes of the sign-in file a reload is enough.")
	lines := []string{"TLSLIFT_SIGNIN_FILE=" + signinFile, "TLSLIFT_STATE_DIR=" + stateDir}
	if len(o.addresses(Mailbox.isHVE)) > 0 {
		p.code(lines...)
		p.text("High Volume Email has a server of its own, so it needs a listener of its own in TLSLIFT_LISTEN. " +
			"Choose its port, and enter it on the device:")
		lines = []string{"smtp://:588?to=smtp.hve.mx.microsoft:587"}
	}
	p.code(lines...)
}

// file returns the lines of the sign-in file.
func file(o Options) []string {
	lines := []string{"tenant: " + quoted(o.Tenant), "application:", "  id: " + quoted(o.AppID)}
	if len(o.addresses(Mailbox.isApplication)) > 0 {
		lines = append(lines, "  secret_file: "+secretFile)
	}
	lines = append(lines, "mailboxes:")
	for i, m := range o.Mailboxes {
		lines = append(lines, "  - address: "+quoted(m.Address))
		if m.Delegated {
			lines = append(lines, "    delegated: true")
		}
		if m.User != "" {
			lines = append(lines, "    user: "+quoted(m.User))
		}
		if m.HVE {
			lines = append(lines, "    hve: true")
		}
		lines = append(lines,
			"    logins:",
			fmt.Sprintf("      - name: printer%d", i+1),
			"        password: '<HASH>'")
	}
	return lines
}

// check writes the commands that try everything out.
func check(p *page, o Options) {
	p.step("Check it")
	if delegated := o.addresses(Mailbox.isDelegated); len(delegated) > 0 {
		p.text("Sign in once for each mailbox. The command prints an address and a code: open the address in a browser on any " +
			"machine, enter the code, and sign in as the account of the mailbox.")
		p.code(commands("login", delegated)...)
	}
	p.text("This tries each part in turn: the file, Entra, the permissions, and Microsoft 365. At the first that fails it says " +
		"what to do. With --send the mailbox also sends a mail to itself.")
	p.code(commands("check mailbox", o.addresses(func(Mailbox) bool { return true }))...)
}

func commands(command string, addresses []string) []string {
	var lines []string
	for _, a := range addresses {
		lines = append(lines, "sudo tlslift "+command+" "+shell(a)+" --env-file "+envFile)
	}
	return lines
}

// device writes what is entered on the device.
func device(p *page, o Options) {
	p.step("Set the device")
	p.text("Enter the address of tlslift as the server, and the login and the password of the sign-in file: printer1, for example. " +
		"Enter the address of the mailbox as the sender (From).")
	if slices.ContainsFunc(o.Protocols, func(of record.Protocol) bool { return of != record.ProtocolSMTP }) {
		p.text("IMAP and POP3 need a listener: add imap://:143, imaps://:993, pop3://:110 or pop3s://:995 to TLSLIFT_LISTEN.")
	}
}
