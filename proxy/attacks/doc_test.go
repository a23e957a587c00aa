// Package attacks has a list of what somebody may try against tlslift and its clients,
// each with the test that tries it, and those attacks that are of no other package.
//
// It is only tests.
package attacks
