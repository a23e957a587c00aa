// Package inventory keeps what an administrator wants to know about each client:
// which TLS it uses, whether it needs tlslift, and why it fails.
//
// It refuses to grow without bound, and it keeps nothing of the content.
package inventory
