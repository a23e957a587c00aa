package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the packages for OpenWrt and Alpine do with the service, in the order in which opkg and
// apk run their scripts: an upgrade leaves a disabled service alone, and a removal stops it.
func TestPackageScripts(t *testing.T) {
	t.Parallel()
	const first, upgrade, remove = "postinst configure", "prerm upgrade 2", "prerm remove"
	for name, test := range map[string]struct {
		enabled bool
		run     []string
		want    string
	}{
		"OpenWrt, first":            {false, []string{"ipk/" + first}, "enable;enabled;restart"},
		"OpenWrt, upgrade":          {true, []string{"ipk/" + upgrade, "ipk/" + first}, "stop;enabled;restart"},
		"OpenWrt, upgrade disabled": {false, []string{"ipk/" + upgrade, "ipk/" + first}, "stop;enabled"},
		"OpenWrt, remove":           {true, []string{"ipk/" + remove}, "stop;disable"},
		"OpenWrt, again after that": {false, []string{"ipk/" + remove, "ipk/" + first}, "stop;disable;enable;enabled;restart"},
		"Alpine, first": {
			false, []string{"apk/pre-install 1"},
			"-S tlslift;-S -D -H -h /none -s /sbin/nologin -G tlslift -g tlslift tlslift;tlslift:tlslift /none",
		},
		"Alpine, upgrade": {true, []string{"apk/post-upgrade 2 1"}, "--ifstarted tlslift restart"},
		"Alpine, remove": {
			true, []string{"apk/pre-deinstall 1", "apk/post-deinstall 1"},
			"--ifstarted tlslift stop;--all --quiet delete tlslift",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			// It notes how it is called, and knows whether the service is enabled.
			stub := "#!/bin/sh\necho \"$*\" >>" + dir + "/calls\ncase $1 in\nenable) : >" + dir + "/on ;;\ndisable) rm -f " + dir +
				"/on ;;\nenabled) [ -e " + dir + "/on ] ;;\nesac\n"
			for _, name := range []string{"rc-service", "rc-update", "service", "addgroup", "adduser", "chown"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(stub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if test.enabled {
				if err := os.WriteFile(filepath.Join(dir, "on"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, line := range test.run {
				runScript(t, dir, strings.Fields(line))
			}
			calls, err := os.ReadFile(filepath.Join(dir, "calls"))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.NewReplacer("\n", ";", dir, "").Replace(strings.TrimSpace(string(calls))); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// runScript runs a script of a package with the paths of the system in dir.
func runScript(t *testing.T, dir string, words []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy/package", words[0]))
	if err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/etc/init.d/tlslift", dir+"/service", "/var/run/", dir+"/", "/run/openrc", dir,
		"/var/lib/tlslift", dir+"/none").Replace(string(text))
	args := append([]string{"-c", script, "script"}, words[1:]...)
	cmd := exec.CommandContext(t.Context(), "sh", args...)
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", words, err, out)
	}
}

// Before OpenRC 0.53, no_new_privs=yes of a service with supervise-daemon keeps it from
// starting.
func TestServiceOfAlpine(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/package/apk/init")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "\nno_new_privs=") || !strings.Contains(string(text), "\nsupervise_daemon_args=--no-new-privs\n") {
		t.Errorf("got\n%s", text)
	}
}
