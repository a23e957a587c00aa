package settings

import (
	"testing"
)

// TestServiceLinks: Kubernetes describes a Service called tlslift in variables
// that look like settings.
func TestServiceLinks(t *testing.T) {
	t.Parallel()
	links := map[string]string{
		"TLSLIFT_SERVICE_HOST": "10.0.0.1", "TLSLIFT_SERVICE_PORT": "3128", "TLSLIFT_SERVICE_PORT_PROXY": "3128",
		"TLSLIFT_PORT": "tcp://10.0.0.1:3128", "TLSLIFT_PORT_3128_TCP": "tcp://10.0.0.1:3128",
		"TLSLIFT_PORT_3128_TCP_PROTO": "tcp", "TLSLIFT_PORT_3128_TCP_PORT": "3128",
		"TLSLIFT_PORT_3128_TCP_ADDR": "10.0.0.1", "TLSLIFT_ADMIN_SERVICE_HOST": "10.0.0.2",
	}
	if _, err := loadWith(links, ""); err == nil {
		t.Error("outside of a pod they were taken")
	}
	links["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
	if _, err := loadWith(links, ""); err != nil {
		t.Error(err)
	}
	links["TLSLIFT_LISTN"] = "x"
	if _, err := loadWith(links, ""); err == nil {
		t.Error("an unknown name was taken in a pod")
	}
}

func TestStateDir(t *testing.T) {
	t.Parallel()
	tests := []struct {
		goos    string
		environ map[string]string
		want    string
	}{
		{"linux", map[string]string{"STATE_DIRECTORY": "/var/lib/tlslift:/x", "HOME": "/root"}, "/var/lib/tlslift"},
		{"linux", map[string]string{"XDG_STATE_HOME": "/s", "HOME": "/home/u"}, "/s/tlslift"},
		{"linux", map[string]string{"XDG_STATE_HOME": "s", "HOME": "/home/u"}, "/home/u/.local/state/tlslift"},
		{"freebsd", map[string]string{"HOME": "/home/u"}, "/home/u/.local/state/tlslift"},
		{"darwin", map[string]string{"HOME": "/Users/u"}, "/Users/u/Library/Application Support/tlslift"},
		{"windows", map[string]string{"LOCALAPPDATA": "/AppData/Local"}, "/AppData/Local/tlslift"},
		{"windows", map[string]string{"STATE_DIRECTORY": `C:\ProgramData\tlslift\state`, "LOCALAPPDATA": "/x"}, `C:\ProgramData\tlslift\state`},
		{"windows", map[string]string{"HOME": "/x"}, ""},
		{"linux", nil, ""},
	}
	for _, test := range tests {
		if got := stateDir(test.goos, test.environ); got != test.want {
			t.Errorf("%s %v: got %q, want %q", test.goos, test.environ, got, test.want)
		}
	}
}
