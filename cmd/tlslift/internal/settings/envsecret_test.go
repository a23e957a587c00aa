package settings

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

// An env file that has a password, and that everybody may read, is refused; without a
// password it is not.
func TestEnvFileWithPassword(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	const password = "TLSLIFT_UPSTREAM_PROXY=http://user:hunter2@proxy.example.com:3128\n"
	for _, tt := range []struct {
		text string
		mode os.FileMode
		ok   bool
	}{
		{password, 0o600, true},
		{password, 0o640, true},
		{password, 0o644, false},
		{password, 0o660, false},
		{"# " + password, 0o644, true},
		{"TLSLIFT_UPSTREAM_PROXY=http://user@proxy.example.com:3128\n", 0o644, true},
		{"TLSLIFT_LOG_LEVEL=info\n", 0o666, true},
	} {
		file := writeFile(t, tt.text)
		if err := os.Chmod(file, tt.mode); err != nil {
			t.Fatal(err)
		}
		_, err := loadWith(nil, file)
		switch {
		case tt.ok && err != nil:
			t.Errorf("mode %o, %q: %v", tt.mode, tt.text, err)
		case !tt.ok && (err == nil || !strings.Contains(err.Error(), "chmod 600 "+file) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("mode %o: %v", tt.mode, err)
		}
	}
}
