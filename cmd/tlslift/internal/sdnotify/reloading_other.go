//go:build !linux

package sdnotify

// Reloading says that the service reads its configuration again; Ready ends it.
func Reloading() string { return "RELOADING=1" }
