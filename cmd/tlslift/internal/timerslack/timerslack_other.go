//go:build !linux

// Package timerslack lets the kernel wake threads some milliseconds late: on Linux only.
package timerslack

// Raise does nothing.
func Raise() {}
