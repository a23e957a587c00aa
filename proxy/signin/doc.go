// Package signin says who may use which mailbox when tlslift signs in at the
// destination in a client's place: it reads the sign-in file, checks the logins
// and passwords that clients send, and shares out the sessions and messages that
// Microsoft permits for each mailbox. It opens no connection, gets no token and
// speaks no protocol. No type of it prints a password, a hash or a secret,
// whatever verb or encoder is used.
//
// # Whom sign-in is configured for
//
// A client is covered if a mailbox or a login names its address, its network or its
// name of the clients file, or if it was pointed at tlslift and there is a login
// that names no clients. All others are left alone.
//
// # How a password is checked
//
// A try passes two guards, one of its client and one of the login. The client is an
// address, in IPv6 a network of 64 bits, as one device has all of it. Each guard
// counts failures, which it forgets one by one with time. With their number grows a
// delay before the check, and beyond a limit nothing is checked at all. So one client
// has 20 tries and then two a minute, and all unknown clients together have 60 tries
// for a login and then ten a minute; somewhat more at first, because a few tries run
// at once.
//
// A client that has signed in with a login before has a guard for that login of its
// own, which passes by the two others: what others do wrong, even behind the same
// address, does not slow it. So has a client whose address the login names.
//
// A hash takes long to compute, on purpose. As many as there are cores are computed at
// once; clients that have not signed in before wait behind those that have. An unknown
// login costs a hash of the same kind and cost, and passes guards as a known one does,
// so that nobody learns from the time which logins exist. A password that was right is
// remembered as a keyed hash whose key is in memory only, until the file is read again:
// a device that signs in for each message costs nothing.
//
// # How a mailbox is shared
//
// The clients that wait for a mailbox stand in one line each, and the lines are served
// in turn. So a client with many messages does not keep out one that has a single one.
// Who has waited for as long as the mailbox's wait is told that the mailbox is busy.
package signin
