//go:build !linux

package sandbox

// Enter does nothing: only Linux has Landlock.
func Enter(Limits) (enforced string, err error) { return "", nil }
