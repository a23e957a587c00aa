package m365

import (
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/policy"
)

// microsoftDomains are the domains that Microsoft, or 21Vianet for it, has
// registered. A new one here needs a look at who runs it.
var microsoftDomains = []string{
	"aadrm.com", "aka.ms", "apps.mil", "aspnetcdn.com", "azure-apim.net", "azure.com", "azure.net", "azurerms.com",
	"chinacloudapi.cn", "cloud.microsoft", "cloudappsecurity.com", "cortana.ai", "dps.mil", "gfx.ms", "live.com",
	"live.net", "lync.com", "microsoft.cn", "microsoft.com", "microsoft.us", "microsoft365.com",
	"microsoftazure.us", "microsoftazuread-sso.com", "microsoftonline-p.com", "microsoftonline-p.net",
	"microsoftonline.cn", "microsoftonline.com", "microsoftonline.us", "msauth.net", "msauthimages.net",
	"msftauth.net", "msftauthimages.net", "msftidentity.com", "msidentity.com", "msocdn.com", "msocsp.com",
	"mx.microsoft", "o365weve.com", "office.com", "office.net", "office365-net.cn", "office365-net.us",
	"office365.com", "office365.us", "onedrive.com", "onedrive.us", "onenote.com", "onenote.net", "onestore.ms",
	"onmicrosoft.com", "onmicrosoft.us", "outlook.cn", "outlook.com", "phonefactor.net", "powerapps.com",
	"powerautomate.com", "sfx.ms", "sharepoint-mil.us", "sharepoint.cn", "sharepoint.com", "sharepoint.us",
	"sharepointonline.com", "skype.com", "skypeassets.com", "static.microsoft", "svc.ms", "usercontent.microsoft",
	"windows.com", "windows.net", "windowsazure.com",
}

// rentedDomains are domains below which not only Microsoft has hosts: there, a
// pattern must be exact, and counts only if somebody has looked at it.
var rentedDomains = []string{"azureedge.net"}

// certificateDomains are those of the authorities that sign Microsoft's
// certificates. Only the certificate row may have hosts below them.
var certificateDomains = []string{"digicert.com"}

// sharedDomains are domains of Microsoft in which its customers have hosts or
// domains of their own, at depths that Microsoft does not publish, and which change
// hands. A pattern there counts only if somebody has looked at it and put it into
// the table.
var sharedDomains = []string{
	"apps.mil", "azure.com", "azure.net", "chinacloudapi.cn", "microsoftazure.us", "onmicrosoft.com", "onmicrosoft.us",
	"windows.net", "windowsazure.com",
}

// broadDomains are domains of Microsoft with far more below them than
// Microsoft 365: no wildcard may stand directly below them.
var broadDomains = []string{
	"apps.mil", "azure.com", "azure.net", "live.com", "microsoft.cn", "microsoft.com", "microsoft.us", "msecnd.net",
	"onmicrosoft.com", "onmicrosoft.us", "windows.com", "windows.net",
}

// omitted are the hosts of required rows that the table omits; doc.go says why.
// That they are not taken is no news.
var omitted = []string{
	"*.keydelivery.mediaservices.windows.net", "*.msecnd.net", "*.streaming.mediaservices.windows.net",
	"ecn.dev.virtualearth.net", "platform.linkedin.com", "spoprod-a.akamaihd.net",
}

// isBelow reports whether host is one of the domains or lies below one.
func isBelow(domains []string, host string) bool {
	return slices.ContainsFunc(domains, func(domain string) bool {
		rest, ok := strings.CutSuffix(host, domain)
		return ok && (rest == "" || strings.HasSuffix(rest, "."))
	})
}

// objection returns why a published pattern is not taken; empty if
// Microsoft is known to run what it matches.
func objection(p policy.Pattern, reviewed map[string]bool) string {
	switch {
	case reviewed[p.String()] && !isBelow(certificateDomains, p.Domain()):
		return ""
	case !isBelow(microsoftDomains, p.Domain()):
		return "Microsoft is not known to run it"
	case isBelow(sharedDomains, p.Domain()):
		return "customers of Microsoft have hosts of their own there"
	case p.IsExact():
		return ""
	case slices.Contains(broadDomains, p.Domain()):
		return "it matches much more than Microsoft 365"
	}
	return ""
}

// reviewedPatterns are the patterns of the built-in table, of all instances.
func reviewedPatterns() (map[string]bool, error) {
	all := make(map[string]bool)
	for _, instance := range Instances() {
		p, err := New(instance, nil)
		if err != nil {
			return nil, err
		}
		for _, e := range p.Endpoints() {
			all[e.Pattern()] = true
		}
	}
	return all, nil
}
