package setup

import (
	"cmp"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/record"
)

// Help and Example are those of the command.
const Help = `Prints the steps by which an administrator lets tlslift sign in to mailboxes of
Microsoft 365: in the Entra portal, in PowerShell, and the sign-in file to write.
It changes nothing and opens no connection. What is not known is printed as <THIS>.

Steps are for the cloud of TLSLIFT_M365_INSTANCE. --delegated is for mailboxes to
which a person signs in once ("tlslift login"), so that no secret of an
application is needed. --hve is for accounts of High Volume Email.`

const Example = `  tlslift signin setup
  tlslift signin setup --tenant contoso.onmicrosoft.com --mailbox scan@contoso.com
  tlslift signin setup --mailbox scan@contoso.com --protocol smtp,imap --delegated
  tlslift signin setup --env-file /etc/tlslift/tlslift.env`

// Flags are what the command line says.
type Flags struct {
	Tenant, AppID        string
	Mailboxes, Protocols []string
	Delegated, HVE       bool
}

// Of returns what the settings and the sign-in file say of the sign-in.
func Of(cfg *settings.Config) (Options, error) {
	o := Options{Instance: cfg.Instance}
	clients, err := cfg.ClientTable()
	if err != nil {
		return o, err
	}
	file, err := cfg.SignIn(clients)
	if file == nil || err != nil {
		return o, err
	}
	o.Tenant, o.AppID = file.Tenant, file.Application.ID
	for _, m := range file.Mailboxes() {
		o.Mailboxes = append(o.Mailboxes, Mailbox{Address: m.Address, User: m.User, Delegated: m.Delegated, HVE: m.HVE})
	}
	return o, nil
}

// Over returns o with what the flags say. Mailboxes of the command line replace all
// of those in o.
func (f Flags) Over(o Options) Options {
	o.Tenant = cmp.Or(f.Tenant, o.Tenant)
	o.AppID = cmp.Or(f.AppID, o.AppID)
	for _, protocol := range f.Protocols {
		o.Protocols = append(o.Protocols, record.Protocol(protocol))
	}
	if len(f.Mailboxes) > 0 {
		o.Mailboxes = nil
	}
	for _, address := range f.Mailboxes {
		o.Mailboxes = append(o.Mailboxes, Mailbox{Address: address})
	}
	if len(o.Mailboxes) == 0 {
		o.Mailboxes = []Mailbox{{}}
	}
	for i := range o.Mailboxes {
		o.Mailboxes[i].Delegated = o.Mailboxes[i].Delegated || f.Delegated
		o.Mailboxes[i].HVE = o.Mailboxes[i].HVE || f.HVE
	}
	return o
}
