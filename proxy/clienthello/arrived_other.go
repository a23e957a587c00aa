//go:build !unix

package clienthello

// canRead reports whether bytes wait in a socket, which is not known here.
func canRead(uintptr) bool { return false }
