package testenv

import (
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// FakeM365 returns a fake Microsoft 365 that ends with the test. Each has a root
// of its own name and serial number, but all have the same keys.
func FakeM365(t testing.TB) *fakem365.Service {
	t.Helper()
	fake, err := fakem365.New(fakem365.Options{RootKey: RSAKey(t, 0), LeafKey: RSAKey(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake
}
