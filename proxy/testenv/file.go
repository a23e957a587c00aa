package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// WriteFile writes a file that is removed with the test, and returns its path.
func WriteFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
