package subject

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each program has a configuration for each mode, or says why it has none, and each
// configuration can be made.
func TestKinds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, k := range kinds {
		s := Subject{ID: k.id, kind: k}
		for _, m := range []Mode{Lift, LiftECDSA, Pass, Mail, Connect} {
			name := k.configs.of(m)
			if (name == "") == (k.cannot.of(m) == "") || s.Cannot(m) != k.cannot.of(m) {
				t.Errorf("%s in mode %s: configuration %q, but it cannot: %q", k.id, m, name, k.cannot.of(m))
			}
			if name == "" {
				continue
			}
			v, err := s.values(m, "127.0.0.1:4433", dir)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(v.Dir, name)
			if err := writeConfig(path, name, v); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if text := string(data); strings.Contains(text, "{{") || !strings.Contains(text, v.ListenPort) ||
				name != "squid-connect.conf" && !strings.Contains(text, "4433") {
				t.Errorf("%s in mode %s:\n%s", k.id, m, text)
			}
		}
	}
}

func TestVersionNumber(t *testing.T) {
	t.Parallel()
	tests := []struct{ says, want string }{
		{"HAProxy version 2.6.12-1+deb12u4 2026/10/17", "2.6.12"},
		{"HAProxy version 3.5-dev5 2026/08/01", "3.5-dev5"},
		{"nginx version: nginx/1.22.1\n", "1.22.1"},
		{"Initializing inetd mode configuration\nstunnel 5.68 on x86_64", "5.68"},
		{"SSLsplit 0.5.5 (built 2022-07-16)", "0.5.5"},
		{"tlslift v1.2.3\ngo1.26.8", "1.2.3"},
		{"tlslift (devel)\ngo1.26.8\nlinux/amd64", ""}, // the version of Go is not ours
	}
	for _, tt := range tests {
		got := ""
		if m := versionNumber.FindStringSubmatch(tt.says); m != nil {
			got = m[1]
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.says, got, tt.want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	found := Find(t.Context(), []string{TLSLift}, map[string][]string{TLSLift: {"/bin/true", "/nonexistent"}})
	if len(found) != 2 || found[0].ID != "tlslift" || found[1].ID != "tlslift-2" || !found[0].Ours() || !found[1].Ours() {
		t.Fatalf("%+v", found)
	}
	if found[0].Skipped != "" || !strings.Contains(found[1].Cannot(Lift), "cannot be run") {
		t.Errorf("%+v", found)
	}
	found = Find(t.Context(), []string{TLSLift}, nil)
	if len(found) != 1 || found[0].Cannot(Pass) != "is not installed" {
		t.Errorf("%+v", found)
	}
}
