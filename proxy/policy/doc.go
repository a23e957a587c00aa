// Package policy decides which destinations tlslift may reach: hosts by pattern,
// and ports. It never allows a destination given as an IP address, and never a
// host that nobody listed: there is no setting that makes tlslift an open proxy.
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
// *.com is a pattern. The rule has no list of public suffixes: it is the
// operator who must not write *.co.uk.
package policy
