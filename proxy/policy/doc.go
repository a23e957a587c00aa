// Package policy knows which destinations tlslift may reach: the hosts and
// ports of one Microsoft 365 instance, and what the operator adds. It never
// allows a destination given as an IP address, and never a host that nobody
// listed: there is no setting that makes tlslift an open proxy.
//
// # What is in the table
//
// m365.json is made from the endpoints that Microsoft publishes, by this rule:
//
//   - Rows that Microsoft marks as required, and row 2 (POP3, IMAP4 and SMTP
//     clients). The optional rows are search, consumer accounts, mobile
//     extras, and wildcards as broad as *.microsoft.com.
//   - Of those, only hosts that Microsoft runs for Microsoft 365. Left out:
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
// is known to have registered (microsoft.go), no wildcard where others have
// hosts too unless it is in the table, and reports the rest. A list that lacks
// what mail needs, or too much of what is built in, is refused as a whole.
//
// Rows are kept per instance and none is borrowed from another: the tables of
// the national clouds are partial, and have no certificate row.
// TLSLIFT_DESTINATIONS fills a gap. Destinations are allowed by name; the
// published addresses only tell what name a client without one may mean, and
// what a gateway should redirect to us. Row 5 of gcchigh and row 4 of dod are
// published without addresses: they have those of row 1, whose host they share.
//
// # Patterns
//
// A host pattern has one of four forms. A label is what stands between dots.
//
//	a.example.com       that host only
//	*.example.com       every host below example.com, not example.com itself
//	*cdn.example.com    hosts directly below example.com whose first label
//	                    ends in cdn, also cdn.example.com itself
//	a.*.example.com     exactly one label in place of the *
//
// At least two labels must follow the one with the *, so that neither * nor
// *.com is a pattern. The rule knows no list of public suffixes: it is the
// operator who must not write *.co.uk.
package policy
