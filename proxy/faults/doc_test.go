// Package faults has a table of what can go wrong between clients, tlslift and their
// destinations, with the toxics of toxiproxy on both sides. Each row says what the client
// sees and what is recorded. After each of them, nothing is left over, and the next
// connection works, without a restart.
//
// It is only tests. Those of faults that are tried in other packages are listed in
// otherpackages_test.go.
package faults
