package testenv

import (
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// FakeM365 returns a fake Microsoft 365 that ends with the test. The key of its
// root is its own; that of its servers is the same for all.
func FakeM365(t testing.TB) *fakem365.Service {
	t.Helper()
	fake, err := fakem365.New(fakem365.Options{RootKey: OwnRSAKey(t), LeafKey: RSAKey(t, 0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake
}
