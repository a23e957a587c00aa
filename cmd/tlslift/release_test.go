package main

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// The script that makes a release says how it is used wherever it is called, and makes
// nothing of a target that it does not know.
func TestReleaseScript(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"--help":                           {0, "deploy/release VERSION DIRECTORY [TARGET...]"},
		"1.2.3 /dev/null/none linux/amd46": {64, "there is no target linux/amd46"},
		"1.2 /dev/null/none linux/amd64":   {64, "the version is as in 1.2.3"},
	} {
		cmd := exec.CommandContext(t.Context(), "bash", append([]string{"release"}, strings.Fields(args)...)...)
		cmd.Dir = "../../deploy"
		out, err := cmd.CombinedOutput()
		code := 0
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != want.code || !strings.Contains(string(out), want.says) {
			t.Errorf("%s: exit code %d, want %d: %s", args, code, want.code, out)
		}
	}
}
