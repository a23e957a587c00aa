//go:build !amd64 || purego

package leafrsa

// fastCore returns nil: no core is faster than crypto/rsa here.
func fastCore() core { return nil }
