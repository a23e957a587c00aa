// Package m365 has the hosts, ports and addresses that Microsoft publishes for one
// instance of Microsoft 365: the list that tlslift was built with, and newer ones
// that it gets from Microsoft's endpoints web service. A Policy allows what is in
// a list, and what the operator adds. No published list can allow a host that
// Microsoft is not known to run.
//
// # What is in the table
//
// m365.json is made from the endpoints that Microsoft publishes, by this rule:
//
//   - Rows that Microsoft marks as required, and row 2 (POP3, IMAP4 and SMTP
//     clients). The optional rows are search, consumer accounts, mobile
//     extras, and wildcards as broad as *.microsoft.com.
//   - Of those, only hosts that Microsoft runs for Microsoft 365. Omitted:
//     spoprod-a.akamaihd.net (row 37), platform.linkedin.com (row 70),
//     ecn.dev.virtualearth.net (Bing Maps, row 73), and the wildcards under
//     which other Azure customers have hosts, mediaservices.windows.net
//     (row 16) and *.msecnd.net (row 59).
//   - Of row 125 (certificate authorities), the hosts with which Microsoft's
//     own certificates are checked, on port 80 only: revocation lists, OCSP
//     answers and issuer certificates are fetched by plain HTTP.
//   - Rows without an id supplement the published ones; each says why.
//
// ParseList applies the same rule to what the endpoints web service answers
// today: of the hosts that are new it takes those below domains that Microsoft
// is known to have registered (review.go), no wildcard where others have
// hosts too unless it is in the table, and reports the rest. A list that lacks
// what mail needs, or too much of what is built in, is refused as a whole.
//
// Rows are kept per instance and none is borrowed from another: the tables of
// the national clouds are partial, and have no certificate row.
// TLSLIFT_DESTINATIONS fills a gap. Destinations are allowed by name; the
// published addresses only serve to find the name for a client that sends none,
// and to say what a gateway should redirect to tlslift. Row 5 of gcchigh and row
// 4 of dod are published without addresses: they have those of row 1, whose host
// they share.
//
// # What is asked, and when
//
// A Refresher keeps the list current: it asks Microsoft's endpoints web service
// at most hourly. First it asks for the version, a few bytes; for the list only
// if that is newer than the one in force and the one built in. Between two
// questions pass at least an hour and at most an hour and twelve minutes, so that
// many installations spread. When the service replies that it is asked too often
// (429, or 503 with Retry-After), it is not asked for as long as it wants: at
// least an hour, at most a day. The time of the next question is kept in the
// state, so that restarts do not ask more often.
//
// A list that is rejected leaves the old one in force. It is not asked for
// again until there is another version, or a day has passed: the fault may have
// been on the way.
//
// A Refresher never follows a redirect, and sends nothing but a random number of
// its own.
//
// See https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-ip-web-service
package m365
