package entra

import "github.com/tlslift/tlslift/proxy/record"

// A cloud is one of Microsoft's.
type cloud struct {
	authority string // host of Entra
	resource  string // what tokens for Exchange Online are for
	hve       string // the same for High Volume Email
}

// clouds are those that the sign-in file can name. Only the public one has High
// Volume Email with a resource of its own.
var clouds = map[string]cloud{
	"global": {"login.microsoftonline.com", "https://outlook.office365.com", "https://outlook.office.com"},
	"usgov":  {"login.microsoftonline.us", "https://outlook.office365.us", "https://outlook.office365.us"},
	"china":  {"login.partner.microsoftonline.cn", "https://partner.outlook.cn", "https://partner.outlook.cn"},
}

// Authority returns the host of Entra in a cloud, which tlslift has to reach at port
// 443; empty for a cloud that does not exist.
func Authority(cloud string) string { return clouds[orGlobal(cloud)].authority }

func orGlobal(cloud string) string {
	if cloud == "" {
		return "global"
	}
	return cloud
}

// An Identity says which token is wanted.
type Identity struct {
	// Mailbox is the address in Exchange. An application's token is the same for
	// all mailboxes.
	Mailbox string
	// User is the account that has signed in for the mailbox; empty means the
	// mailbox itself. It matters only with Delegated.
	User string
	// Delegated wants the token of a person; false means that of the application.
	Delegated bool
	// HVE is for High Volume Email.
	HVE bool
	// Protocol is what the token is used for: SMTP, IMAP or POP3.
	Protocol record.Protocol
}

// account returns who signs in.
func (id Identity) account() string {
	if id.User != "" {
		return id.User
	}
	return id.Mailbox
}

// permissions are the names of what a token has to allow: for an application and for
// a person.
var permissions = map[record.Protocol]struct{ application, delegated string }{
	record.ProtocolSMTP: {"SMTP.SendAsApp", "SMTP.Send"},
	record.ProtocolIMAP: {"IMAP.AccessAsApp", "IMAP.AccessAsUser.All"},
	record.ProtocolPOP3: {"POP.AccessAsApp", "POP.AccessAsUser.All"},
}

// permission returns what the token has to allow; empty if that is not known.
func (id Identity) permission() string {
	switch p := permissions[id.Protocol]; {
	case id.HVE:
		return "Mail.Send"
	case id.Delegated:
		return p.delegated
	default:
		return p.application
	}
}

// scopes returns what is asked for.
func (id Identity) scopes(c cloud) []string {
	switch {
	case id.HVE:
		return []string{c.hve + "/.default"}
	case !id.Delegated:
		return []string{c.resource + "/.default"}
	}
	resource := c.resource
	if resource == clouds["global"].resource {
		resource = clouds["global"].hve // the name that Microsoft documents for the scopes of people
	}
	if p, known := permissions[id.Protocol]; known {
		return []string{resource + "/" + p.delegated}
	}
	all := make([]string, 0, len(permissions))
	for _, of := range []record.Protocol{record.ProtocolSMTP, record.ProtocolIMAP, record.ProtocolPOP3} {
		all = append(all, resource+"/"+permissions[of].delegated)
	}
	return all
}
