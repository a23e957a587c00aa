package serviceuser

import (
	"slices"
	"testing"
)

// Of root's environment a command gets what it needs, and none of root's secrets.
func TestPassed(t *testing.T) {
	t.Parallel()
	environ := map[string]string{
		"TLSLIFT_LISTEN": "smtp://:587", "PATH": "/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "STATE_DIRECTORY": "/s",
		"AWS_SECRET_ACCESS_KEY": "x", "SSH_AUTH_SOCK": "x", "LD_PRELOAD": "x", "GODEBUG": "x", "TMPDIR": "/root/tmp", "HTTPS_PROXY": "x",
		"MY_TLSLIFT_LISTEN": "x", "PATHS": "x", "SUDO_COMMAND": "x", marker: "x",
	}
	want := []string{
		"HOME=/root", "LC_ALL=C.UTF-8", "NO_COLOR=1", "PATH=/bin", "STATE_DIRECTORY=/s", "TLSLIFT_LISTEN=smtp://:587", marker + "=1",
	}
	if got := Passed(environ); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if Acts(nil) || Acts(map[string]string{marker: ""}) || !Acts(map[string]string{marker: "1"}) {
		t.Error("who acts as the service is not known by the marker")
	}
}
