// Package netname has the rules for names, addresses and text that come from
// the network, so that there is one of each: what a host name is (Host, IsHost),
// which addresses no public service has (Special, SpecialPrefix, Reached), and how text
// is made safe for logs, pages and terminals (Text, Lines, Cut).
//
// It looks nothing up, and decides nothing about what is allowed.
package netname
