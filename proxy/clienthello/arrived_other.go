//go:build !unix

package clienthello

// canRead reports whether bytes, or the end, wait in a socket, which is not known here.
func canRead(uintptr) (can, known bool) { return false, false }
