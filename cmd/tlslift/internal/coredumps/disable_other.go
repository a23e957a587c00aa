//go:build !unix

package coredumps

// Disable does nothing here: there is no such limit to set.
func Disable() {}
