// Package testenv is what the tests of several packages set up: identities and
// keys, real peers, addresses and servers on loopback, a fake Microsoft 365 and
// a fake inventory. Only tests import it.
//
// It ends what it starts with the test, and fails the test itself when
// something cannot be set up.
package testenv

import "time"

// Patience bounds every wait; a test that runs into it has failed.
const Patience = 60 * time.Second
