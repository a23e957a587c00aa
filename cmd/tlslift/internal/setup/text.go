// Package setup writes the steps by which an administrator lets tlslift sign in to
// the mailboxes of a tenant: in the Entra portal, in PowerShell, and on the machine
// that tlslift runs on.
//
// It asks Microsoft nothing, changes nothing, and has no secret in its hands.
package setup

import (
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/m365"
)

// Text returns the steps. Check has found nothing wrong with o.
func Text(o Options) string {
	o = o.withPlaceholders()
	p := &page{}
	intro := "tlslift signs in to Microsoft 365 for devices that know only a password. These are the steps. " +
		"An administrator of the tenant does each of them: this command changes nothing, here or in the tenant. " +
		"deploy/docs/signin.md explains them. Replace what is written as <THIS>."
	if o.placeholders() {
		intro += " The flags of this command fill in the tenant, the application and the mailboxes."
	}
	p.wrapped("", intro)
	p.b.WriteByte('\n')
	register(p, o)
	registerInPowerShell(p, o)
	exchange(p, o)
	files(p, o)
	check(p, o)
	device(p, o)
	return strings.TrimSuffix(p.b.String(), "\n")
}

// A cloud is where the tenants of an instance of Microsoft 365 are.
type cloud struct {
	portal   string // of Entra
	graph    string // argument of Connect-MgGraph; empty: none
	exchange string // argument of Connect-ExchangeOnline; empty: none
}

var clouds = map[m365.Instance]cloud{
	m365.Worldwide: {portal: "https://entra.microsoft.com"},
	m365.GCCHigh:   {"https://portal.azure.us", "USGov", "O365USGovGCCHigh"},
	m365.DoD:       {"https://portal.azure.us", "USGovDoD", "O365USGovDoD"},
	m365.China:     {"https://portal.azure.cn", "China", "O365China"},
}

func (o Options) cloud() cloud { return clouds[m365.Instance(o.Instance.String())] }

// appName is the name of the application in the tenant.
const appName = "tlslift"

// register writes how the application is made in the portal.
func register(p *page, o Options) {
	p.step("Register the application")
	p.text("In the Entra portal, " + o.cloud().portal + ". Or in PowerShell: see below.")
	if o.AppID == noAppID {
		p.item("Open Entra ID, App registrations, New registration.")
		p.item("Name: " + appName + `. Supported account types: "Accounts in this organizational directory only", which is also ` +
			"called single tenant. Leave Redirect URI empty. Press Register.")
		p.item("On the Overview page of the application, read these two. They are needed below.",
			"Application (client) ID", "Directory (tenant) ID")
	} else {
		p.item("Open Entra ID, App registrations, and the application with this Application (client) ID:", o.AppID)
	}
	applied, delegated := o.permissions(false), o.permissions(true)
	for _, kind := range []struct {
		name  string
		names []string
	}{{"Application permissions", applied}, {"Delegated permissions", delegated}} {
		if len(kind.names) > 0 {
			p.item(`Open API permissions, Add a permission, APIs my organization uses, "Office 365 Exchange Online", `+
				kind.name+", and choose these. Then press Add permissions.", kind.names...)
		}
	}
	if len(delegated) > 0 {
		p.item("Add a permission once more: Microsoft Graph, Delegated permissions, and this one, so that the sign-in lasts.",
			"offline_access")
	}
	p.item(`Press "Grant admin consent for ...", and check that each permission has the status Granted.`)
	if len(delegated) > 0 {
		p.item(`Open Authentication and its settings (or Advanced settings), set "Allow public client flows" to Yes, and press Save.`)
	}
	if len(applied) > 0 {
		p.item("Open Certificates & secrets, Client secrets, New client secret. Copy the Value at once: it is shown only now. " +
			"The Secret ID is not needed. Write the day on which the secret expires into the sign-in file, for example expires: 2027-11-01; " +
			"before that day, make a new one and replace the old one in its file. A certificate (the tab beside) is safer: it is " +
			"never sent, and you choose how long it lasts.")
	}
	if o.needsServicePrincipal() {
		p.item("Open Entra ID, Enterprise applications, the same application, Overview, and copy its Object ID for step 2. Do not take the " +
			"Object ID of the page under App registrations. It is another one, and Exchange refuses the sign-in with it.")
	}
	p.b.WriteByte('\n')
}

// needsServicePrincipal reports whether Exchange has to know the application: for
// mailboxes to which it signs in by itself.
func (o Options) needsServicePrincipal() bool {
	return slices.ContainsFunc(o.Mailboxes, Mailbox.needsServicePrincipal)
}
