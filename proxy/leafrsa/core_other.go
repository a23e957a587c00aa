//go:build !amd64 || purego

package leafrsa

// fastCore returns nil: no core is made for this processor.
func fastCore() core { return nil }
