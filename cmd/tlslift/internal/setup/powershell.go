package setup

import (
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// exchangeID is the application id of Exchange Online, and graphID that of Microsoft
// Graph. They are the same in every tenant.
const (
	exchangeID = "00000002-0000-0ff1-ce00-000000000000"
	graphID    = "00000003-0000-0000-c000-000000000000"
)

// registerInPowerShell writes the same as register for PowerShell.
func registerInPowerShell(p *page, o Options) {
	applied, delegated := o.permissions(false), o.permissions(true)
	text := "The same in PowerShell, if you have not done it in the portal. It grants the consent too."
	if len(applied) > 0 {
		text += " The portal cannot give a permission to a managed identity; this can: the application id is then its client id."
	}
	p.text(text)
	modules, scopes := "Microsoft.Graph.Applications", []string{"Application.ReadWrite.All"}
	if len(applied) > 0 {
		scopes = append(scopes, "AppRoleAssignment.ReadWrite.All")
	}
	if len(delegated) > 0 {
		modules += ", Microsoft.Graph.Identity.SignIns"
		scopes = append(scopes, "DelegatedPermissionGrant.ReadWrite.All")
	}
	ids := "$sp | Format-List AppId   # the application id"
	if o.needsServicePrincipal() {
		ids = "$sp | Format-List AppId, Id   # the application id, and the object id for step 2"
	}
	p.code(slices.Concat([]string{
		"Install-Module " + modules + " -Scope CurrentUser",
	}, array("$scopes", scopes), []string{
		"Connect-MgGraph -Scopes $scopes" + argument("-Environment", o.cloud().graph) + " `",
		"  -TenantId " + quoted(o.Tenant),
	}, application(o), []string{
		`$exchange = Get-MgServicePrincipal -Filter "AppId eq '` + exchangeID + `'"`,
	}, assignments(applied), grants(delegated), []string{ids})...)
	if len(applied) > 0 {
		p.text("Then make the secret in the portal, as above.")
	}
}

// application returns the PowerShell that gets the application, which is made if there
// is none, and its service principal.
func application(o Options) []string {
	public := " -IsFallbackPublicClient" // it may sign people in with a code
	if len(o.permissions(true)) == 0 {
		public = ""
	}
	if o.AppID == noAppID {
		return []string{
			"$app = New-MgApplication -DisplayName " + quoted(appName) + " `",
			"  -SignInAudience 'AzureADMyOrg'" + public,
			"$sp = New-MgServicePrincipal -AppId $app.AppId",
		}
	}
	lines := []string{
		"$appId = " + quoted(o.AppID),
		`$sp = Get-MgServicePrincipal -Filter "AppId eq '$appId'"`,
	}
	if public != "" {
		lines = append(lines,
			`$app = Get-MgApplication -Filter "AppId eq '$appId'"`,
			"Update-MgApplication -ApplicationId $app.Id"+public)
	}
	return lines
}

// assignments returns the PowerShell that gives the application permissions.
func assignments(permissions []string) []string {
	if len(permissions) == 0 {
		return nil
	}
	return append(array("$permissions", permissions),
		"foreach ($name in $permissions) {",
		"  $role = $exchange.AppRoles | Where-Object Value -eq $name",
		"  New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $sp.Id -PrincipalId $sp.Id `",
		"    -ResourceId $exchange.Id -AppRoleId $role.Id",
		"}")
}

// grants returns the PowerShell that consents to permissions for all people.
func grants(permissions []string) []string {
	if len(permissions) == 0 {
		return nil
	}
	return []string{
		`$graph = Get-MgServicePrincipal -Filter "AppId eq '` + graphID + `'"`,
		"New-MgOauth2PermissionGrant -ClientId $sp.Id -ConsentType 'AllPrincipals' `",
		"  -ResourceId $exchange.Id -Scope " + quoted(strings.Join(permissions, " ")),
		"New-MgOauth2PermissionGrant -ClientId $sp.Id -ConsentType 'AllPrincipals' `",
		"  -ResourceId $graph.Id -Scope 'offline_access'",
	}
}

// argument returns an argument of a command, after a blank; nothing without a value.
func argument(name, value string) string {
	if value == "" {
		return ""
	}
	return " " + name + " " + value
}

// exchange writes what Exchange has to know.
func exchange(p *page, o Options) {
	p.step("Give it the mailboxes")
	p.text("In PowerShell, as an Exchange administrator, and in a new window if you have used one for step 1.")
	p.code("Install-Module ExchangeOnlineManagement -Scope CurrentUser",
		"Connect-ExchangeOnline"+argument("-ExchangeEnvironmentName", o.cloud().exchange))
	if o.needsServicePrincipal() {
		p.text("The application signs in. Exchange has to know it, and each mailbox has to let it in:")
		lines := []string{
			"$appId = " + quoted(o.AppID),
			"$objectId = '<OBJECT-ID>'   # of the ENTERPRISE application, not of the app registration",
			"New-ServicePrincipal -AppId $appId -ObjectId $objectId -DisplayName " + quoted(appName),
		}
		lines = append(lines, array("$mailboxes", o.addresses(Mailbox.needsServicePrincipal))...)
		p.code(append(lines,
			"foreach ($mailbox in $mailboxes) {",
			"  Add-MailboxPermission -Identity $mailbox -User $objectId -AccessRights FullAccess",
			"}")...)
	}
	if ordinary := o.addresses(Mailbox.isOrdinary); len(ordinary) > 0 {
		allow(p, o, ordinary)
	}
	if accounts := o.addresses(Mailbox.isHVE); len(accounts) > 0 {
		p.text("High Volume Email: the account must exist, and has a list of the applications that may use it, at most ten. " +
			"A change takes up to 5 minutes.")
		p.code(append(array("$accounts", accounts),
			"foreach ($account in $accounts) {",
			"  Add-HVEAppAccess -Identity $account -AppIds "+quoted(o.AppID),
			"}")...)
	}
	shared(p, o)
}

// allow writes how the protocols are switched on for mailboxes.
func allow(p *page, o Options, mailboxes []string) {
	p.text("The protocol has to be on for each mailbox, with OAuth as with a password. For SMTP, the value of the mailbox counts " +
		"before that of the tenant (Set-TransportConfig):")
	var lines []string
	if !slices.Equal(mailboxes, o.addresses(Mailbox.needsServicePrincipal)) { // which are in the variable already
		lines = array("$mailboxes", mailboxes)
	}
	lines = append(lines, "foreach ($mailbox in $mailboxes) {")
	for _, protocol := range o.Protocols {
		lines = append(lines, "  Set-CASMailbox -Identity $mailbox "+map[record.Protocol]string{
			record.ProtocolSMTP: "-SmtpClientAuthenticationDisabled $false",
			record.ProtocolIMAP: "-ImapEnabled $true",
			record.ProtocolPOP3: "-PopEnabled $true",
		}[protocol])
	}
	p.code(append(lines, "}")...)
	if slices.Contains(o.Protocols, record.ProtocolSMTP) {
		p.text("Only if a device sends with the address of another mailbox as its sender (From):")
		p.code("Add-RecipientPermission -Identity '<OTHER-MAILBOX>' -AccessRights SendAs `",
			"  -Trustee "+quoted(mailboxes[0]))
	}
}

// shared writes what an account needs that signs in for another mailbox.
func shared(p *page, o Options) {
	for _, m := range o.Mailboxes {
		if !m.Delegated || m.HVE || m.User == m.Address {
			continue
		}
		user, why := m.User, "This account signs in for another mailbox, so it needs the right to it:"
		if user == "" {
			user, why = "<ACCOUNT>", "Only if the mailbox is a shared one, for which another account signs in (user in the file):"
		}
		p.text(why)
		p.code("$mailbox = "+quoted(m.Address),
			"$account = "+quoted(user),
			"Add-MailboxPermission -Identity $mailbox -User $account -AccessRights FullAccess",
			"Add-RecipientPermission -Identity $mailbox -Trustee $account -AccessRights SendAs")
	}
}
