// Package dialogue watches a session of mail or of HTTP/1 that is relayed, in both
// directions, and says what became of it: what the destination refused, how many mails
// it accepted, and which side ended the session in the middle of something.
//
// It changes, delays and reorders no byte, unless a Gate holds mails back. What it holds is bounded: codes, the
// beginning of one line of each side, what the commands without a reply are, and hashes
// of the addresses of mails that were refused. What a client says to sign in, the
// target and the headers of a request, and all content is skipped and never held. In a
// dialogue that it does not understand it watches no more, and says only
// what it has seen before.
package dialogue
