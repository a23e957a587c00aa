package setup

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// Options are what is known of the sign-in. What is empty becomes a placeholder in
// the steps.
type Options struct {
	Tenant    string            // its id, or one of its domains
	AppID     string            // Application (client) ID
	Mailboxes []Mailbox         // empty: one placeholder
	Protocols []record.Protocol // empty: SMTP
	Instance  m365.Instance     // the zero value is Worldwide
}

// A Mailbox is one that tlslift signs in to.
type Mailbox struct {
	Address   string // empty: a placeholder
	User      string // delegated only: the account that signs in; empty: the mailbox itself
	Delegated bool   // a person signs in, and not the application
	HVE       bool   // an account of High Volume Email
}

// The placeholders: none can be mistaken for a value.
const (
	noTenant  = "<TENANT>"
	noAppID   = "<APPLICATION-ID>"
	noMailbox = "<MAILBOX>"
)

// Protocols are those that devices can be signed in with, in the order of the steps.
var Protocols = []record.Protocol{record.ProtocolSMTP, record.ProtocolIMAP, record.ProtocolPOP3}

var (
	id        = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	localPart = regexp.MustCompile("^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}$")
)

// Check returns what is wrong with the values in o, which are printed into commands.
func (o Options) Check() error {
	if o.Tenant != "" && !id.MatchString(o.Tenant) && !isDomain(o.Tenant) {
		return fmt.Errorf("%q is not a tenant: write its Tenant ID, or one of its domains, for example contoso.onmicrosoft.com",
			netname.Cut(o.Tenant, 100))
	}
	if o.AppID != "" && !id.MatchString(o.AppID) {
		return fmt.Errorf("%q is not an application id: write the Application (client) ID of the Entra portal, "+
			"for example 11111111-2222-3333-4444-555555555555", netname.Cut(o.AppID, 100))
	}
	for _, p := range o.Protocols {
		if !slices.Contains(Protocols, p) {
			return fmt.Errorf("%q is not a protocol of mail; use smtp, imap or pop3", netname.Cut(string(p), 100))
		}
	}
	return o.checkMailboxes()
}

func (o Options) checkMailboxes() error {
	given := map[string]bool{}
	for _, m := range o.Mailboxes {
		for _, address := range []string{m.Address, m.User} {
			if address != "" && !isAddress(address) {
				return fmt.Errorf("%q is not the address of a mailbox, for example scan@contoso.com", netname.Cut(address, 100))
			}
		}
		name := strings.ToLower(m.Address) // Exchange looks at no case
		if given[name] && name != "" {
			return fmt.Errorf("the mailbox %q is given twice; remove one", netname.Cut(m.Address, 100))
		}
		given[name] = true
		if m.HVE && slices.ContainsFunc(o.Protocols, func(p record.Protocol) bool { return p != record.ProtocolSMTP }) {
			return errors.New("an account of High Volume Email can only send: use --protocol smtp")
		}
	}
	return nil
}

// isDomain reports whether s is a domain, in any case. Some characters that are not
// ASCII have a lower case that is.
func isDomain(s string) bool {
	ascii := strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	return ascii && netname.IsHost(strings.ToLower(s)) && strings.Contains(s, ".")
}

func isAddress(s string) bool {
	local, domain, _ := strings.Cut(s, "@")
	return localPart.MatchString(local) && isDomain(domain)
}

// withPlaceholders returns o with every value that the steps need.
func (o Options) withPlaceholders() Options {
	o.Tenant = cmp.Or(o.Tenant, noTenant)
	o.AppID = cmp.Or(o.AppID, noAppID)
	mailboxes := slices.Clone(o.Mailboxes)
	if len(mailboxes) == 0 {
		mailboxes = []Mailbox{{}}
	}
	for i := range mailboxes {
		mailboxes[i].Address = cmp.Or(mailboxes[i].Address, noMailbox)
	}
	o.Mailboxes = mailboxes
	given := o.Protocols
	if len(given) == 0 {
		given = []record.Protocol{record.ProtocolSMTP}
	}
	// In their own order, and each once.
	o.Protocols = slices.DeleteFunc(slices.Clone(Protocols), func(p record.Protocol) bool { return !slices.Contains(given, p) })
	return o
}

// placeholders reports whether something is not known.
func (o Options) placeholders() bool {
	return o.Tenant == noTenant || o.AppID == noAppID ||
		slices.ContainsFunc(o.Mailboxes, func(m Mailbox) bool { return m.Address == noMailbox })
}

// addresses returns those of the mailboxes of one kind.
func (o Options) addresses(is func(Mailbox) bool) []string {
	var all []string
	for _, m := range o.Mailboxes {
		if is(m) {
			all = append(all, m.Address)
		}
	}
	return all
}

func (m Mailbox) isDelegated() bool           { return m.Delegated }
func (m Mailbox) isHVE() bool                 { return m.HVE }
func (m Mailbox) isOrdinary() bool            { return !m.HVE }
func (m Mailbox) isApplication() bool         { return !m.Delegated }
func (m Mailbox) needsServicePrincipal() bool { return m.isApplication() && m.isOrdinary() }

// permissions are those of Office 365 Exchange Online that a protocol needs: of the
// application, and of a person.
var permissions = map[record.Protocol]struct{ application, delegated string }{
	record.ProtocolSMTP: {"SMTP.SendAsApp", "SMTP.Send"},
	record.ProtocolIMAP: {"IMAP.AccessAsApp", "IMAP.AccessAsUser.All"},
	record.ProtocolPOP3: {"POP.AccessAsApp", "POP.AccessAsUser.All"},
}

// permissionHVE is the one for High Volume Email, of both.
const permissionHVE = "Mail.Send"

// permissions returns the names of the permissions that the application needs, or
// those that a person gives it.
func (o Options) permissions(delegated bool) []string {
	var all []string
	for _, m := range o.Mailboxes {
		switch {
		case m.Delegated != delegated:
		case m.HVE:
			all = append(all, permissionHVE)
		default:
			for _, p := range o.Protocols {
				if delegated {
					all = append(all, permissions[p].delegated)
				} else {
					all = append(all, permissions[p].application)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
