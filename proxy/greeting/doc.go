// Package greeting remembers which mail clients wait for the greeting, so that these get it
// sooner. It never makes a client wait longer than one that is not known.
//
// On a port that takes implicit TLS as well as STARTTLS, only the client's silence shows that
// it waits for a greeting in plaintext. A wrong guess costs much: a client that begins with
// TLS cannot read a greeting, and its connection fails. To wait too long costs a fifth of a
// second. So the time of the wait follows from what was seen, for each address and listener:
//
//   - Sessions that were silent until the greeting, and then began with a command, are
//     counted. The first ones change nothing: devices of both kinds may have one address,
//     behind NAT, and whoever tries a device by hand tries both kinds, one after the other.
//     After Trials of them, each one halves the wait of the next, down to Least: the more
//     there were, the less likely is one that begins with TLS.
//   - One session that said anything before its greeting, or TLS after it, makes all
//     sessions wait for the whole time for SpokeAge, which is longer than the month after
//     which the rarest reports and invoices are sent.
//   - What has been learnt of silent sessions ends Age after the last one: by then the
//     address may belong to another device. Pauses at work are shorter, and who comes
//     less often does not notice the wait.
//
// Most devices whose first sight is after all that are served as well. A program that begins
// with TLS does so as soon as it has connected: OpenSSL, GnuTLS, curl, msmtp and Python after
// 0.1 to 8 ms, on a busy machine. Least is about that, and it ends no earlier than the greeting of
// the destination has come. Only programs that load their TLS after they have connected are
// slower, as those in Java and Perl with 40 to 120 ms: there, one connection fails if one
// appears for the first time at an address that is known for silent ones.
//
// How fast a client's own TLS began does not shorten its wait. That would help only where
// an address has devices of both kinds, and a wrong guess would harm the same.
//
// The memory lasts as long as the process, through all reloads. A new process, after a restart or a
// hand-over, and each replica, waits for the whole time again until it has learnt.
package greeting
