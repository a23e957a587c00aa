// Package soak runs many mixed connections through tlslift, with every kind of end,
// and keeps a ledger of what the two far ends know: the old client on one side and
// the destination on the other. What tlslift says in its log, its metrics and its
// inventory has to agree with the ledger, connection by connection and in total.
//
// plan_test.go says what a connection can do, draw_test.go chooses, client_test.go and
// destination_test.go do it, ledger_test.go says what is right for that, and
// world_test.go has the tlslift between them. Only tests are here.
package soak
