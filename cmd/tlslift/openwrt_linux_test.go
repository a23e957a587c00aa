package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// openwrt stands for what OpenWrt's rc.common and procd give an init script: each says how
// it was called.
const openwrt = `
user_exists() { [ -n "$USER_EXISTS" ]; }
group_add_next() { echo 32768; }
for name in user_add mkdir chown chmod procd_open_instance procd_set_param procd_close_instance procd_send_signal; do
	eval "$name() { echo $name \"\$@\"; [ \"\$FAILS\" != $name ]; }"
done
. "$1"
"$2"
`

// TestOpenWrt checks that OpenWrt runs tlslift as a user of its own: procd runs a service
// whose user does not exist as root.
func TestOpenWrt(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "sh")
	init := filepath.Join("..", "..", "deploy", "gateway", "openwrt.init")
	run := func(function string, env ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", openwrt, "sh", "./"+init, function)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	started := []string{
		"chown -R tlslift /etc/tlslift/state\n", "chmod 700 /etc/tlslift/state\n", "chmod 600 /etc/tlslift/tlslift.env\n",
		"procd_set_param user tlslift\n", "procd_set_param no_new_privs 1\n",
		"procd_set_param command /usr/bin/tlslift serve --env-file /etc/tlslift/tlslift.env\n",
	}
	const added = "user_add tlslift  32768 tlslift /var/run/tlslift\n"
	for _, test := range []struct {
		name      string
		env       []string
		want, not []string
		fails     bool
	}{
		{"at the first start", nil, append(started, added), nil, false},
		{"later", []string{"USER_EXISTS=1"}, started, []string{"user_add"}, false},
		{"without room for a user", []string{"FAILS=user_add"}, nil, []string{"procd_open_instance", "procd_close_instance"}, true},
	} {
		out, err := run("start_service", test.env...)
		if (err != nil) != test.fails {
			t.Errorf("%s: %v\n%s", test.name, err, out)
		}
		for _, line := range test.want {
			if !strings.Contains(out, line) {
				t.Errorf("%s: no %q in\n%s", test.name, line, out)
			}
		}
		for _, line := range test.not {
			if strings.Contains(out, line) {
				t.Errorf("%s: %q in\n%s", test.name, line, out)
			}
		}
	}
	if out, err := run("reload_service"); err != nil || out != "procd_send_signal tlslift\n" {
		t.Errorf("reload: %q, %v", out, err)
	}
}
