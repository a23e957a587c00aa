//go:build !unix

package main

// disableCoreDumps does nothing here: there is no such limit to set.
func disableCoreDumps() {}
